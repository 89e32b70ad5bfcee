import { type ModuleRef } from '@nestjs/core';
import { type HealthIndicatorResult } from '@nestjs/terminus';
import { type CaptureService } from '../capture/capture.service.js';
import { getCaptureToken } from '../capture/inject-capture.decorator.js';
import { type CaptureHealthThresholds, type HealthStatus, assessHealth } from './assess-health.js';

/** Which instance is looked at, and how strictly. */
export interface CaptureHealthOptions extends CaptureHealthThresholds {
  /** The name of a named instance. Default: the default one. */
  readonly instance?: string;
  /** Makes `degraded` fail the probe: for an alert, not for a probe that restarts the process. Default: false. */
  readonly failWhenDegraded?: boolean;
}

/**
 * Says how an instance does, to Terminus. It looks at figures that are there anyway, and asks nobody.
 *
 * - `up`: events get through, as far as is known.
 * - `degraded`: cooling down, or the queue is fuller or the oldest event older than the thresholds say. Events wait, and
 *   are lost only where the queue is full, which its problem says. The probe succeeds: Terminus 12 has `status: 'degraded'` for it,
 *   Terminus 10 and 11 are told `up`.
 * - `down`: PostHog refuses the key or everything, or the store fails. It needs a person.
 *
 * The details always have `health` with one of these, the figures, and for each problem its remedy; never a key or a payload.
 */
export class PostHogCaptureHealthIndicator {
  readonly #modules: ModuleRef;
  readonly #terminus: Terminus;

  constructor(modules: ModuleRef, terminus: Terminus) {
    this.#modules = modules;
    this.#terminus = terminus;
  }

  /**
   * @param key the name of the result. Default: `posthog`
   * @throws where there is no such instance; and with Terminus 10 and 11 its HealthCheckError when down, as these want it
   */
  check(
    key = 'posthog',
    { instance, failWhenDegraded = false, ...thresholds }: CaptureHealthOptions = {},
  ): HealthIndicatorResult {
    const capture = this.#modules.get<CaptureService>(getCaptureToken(instance), { strict: false });
    const stats = capture.stats();
    const { health, queueShare, problems } = assessHealth(stats, thresholds);
    const { captured, recovered, delivered, dropped, pending, pendingBytes, oldestPendingMs, retries } = stats;
    const details = {
      health,
      problems,
      ...(capture.disabled && { disabled: true }),
      captured,
      recovered,
      delivered,
      dropped,
      pending,
      pendingBytes,
      queueShare,
      oldestPendingMs,
      retries,
      coolDownUntil: stats.coolDownUntil === null ? null : new Date(stats.coolDownUntil).toISOString(),
    };
    const told = health === 'degraded' && failWhenDegraded ? 'down' : health;
    return this.#terminus.result(key, told, details);
  }
}

/** How the installed version of Terminus wants to be told. */
export interface Terminus {
  /** @throws what Terminus takes for a result, where it wants `down` thrown */
  result(key: string, health: HealthStatus, details: object): HealthIndicatorResult;
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
