import { type HealthIndicatorResult } from '@nestjs/terminus';

/** What an indicator says of what it looked at. */
export type Health = 'up' | 'degraded' | 'down';

/** How the installed version of Terminus wants to be told. */
export interface Terminus {
  /** @throws what Terminus takes for a result, where it wants `down` thrown */
  result(key: string, health: Health, details: object): HealthIndicatorResult;
}

/** Of Terminus 10 and 11. */
type HealthCheckErrorClass = new (message: string, causes: unknown) => Error;

/**
 * Loads the optional package `@nestjs/terminus`. Terminus 12 knows `degraded`, and takes `down` as a result. Before, there was `up`
 * and `down` alone, and `down` was thrown.
 *
 * @see https://docs.nestjs.com/recipes/terminus
 * @throws an Error that names the package to install
 */
export async function loadTerminus(): Promise<Terminus> {
  try {
    const { HealthCheckError } = (await import('@nestjs/terminus')) as { HealthCheckError?: HealthCheckErrorClass };
    return HealthCheckError ? terminus10(HealthCheckError) : terminus12;
  } catch (error) {
    throw new Error('the package @nestjs/terminus cannot be loaded: npm install @nestjs/terminus', { cause: error });
  }
}

const terminus12: Terminus = {
  result: (key, status, details) => ({ [key]: { ...details, status } }),
};

/** For a Terminus that has this class. */
export function terminus10(HealthCheckError: HealthCheckErrorClass): Terminus {
  return {
    result: (key, health, details) => {
      const result: HealthIndicatorResult = { [key]: { ...details, status: health === 'down' ? 'down' : 'up' } };
      if (health === 'down') throw new HealthCheckError(`${key} is down`, result);
      return result;
    },
  };
}
