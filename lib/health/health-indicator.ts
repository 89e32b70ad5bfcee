import { type ModuleRef } from '@nestjs/core';
import { type HealthIndicatorResult } from '@nestjs/terminus';
import { type CaptureService } from '../capture/capture.service.js';
import { getCaptureToken } from '../capture/inject-capture.decorator.js';
import { type FlagStats } from '../capture/flag-stats.js';
import { type QueueStats } from '../queue/queue-monitor.js';
import { instanceNameOf, nameConflict } from '../shared/named-module.js';
import { assessHealth, type CaptureHealthThresholds, type HealthStatus } from './assess-health.js';

/** Options of one health check. */
export interface CaptureHealthOptions extends CaptureHealthThresholds {
  /** Name of the instance to check. Default: the default instance. */
  readonly name?: string | undefined;
  /** @deprecated Use `name`. */
  readonly instance?: string | undefined;
  /** Reports `degraded` as `down`. Use it for alerts, not for probes that restart the process. Default: false. */
  readonly failWhenDegraded?: boolean;
}

/**
 * Health indicator for `@nestjs/terminus`. It reads the instance's statistics and sends no request.
 *
 * - `up`: no problem is known.
 * - `degraded`: the instance is cooling down, the queue is too full, or the oldest event is too old; or the shared queue is down or full, or
 *   no relay takes events from it. Events wait; they are lost only when the queue of the instance is full. Also while feature flags
 *   cannot be evaluated, so that code gets its default values. Reported as `degraded` with Terminus 12, and as `up` with Terminus 10
 *   and 11.
 * - `down`: PostHog or the shared queue refuses every request, the server of the shared queue may delete events, or the store fails.
 *   Somebody has to act.
 *
 * The details contain the status as `health`, the main statistics, and each problem with its remedy. They never contain the API key or
 * event data.
 */
export class PostHogCaptureHealthIndicator {
  readonly #modules: ModuleRef;
  readonly #terminus: Terminus;

  /** @internal */
  constructor(modules: ModuleRef, terminus: Terminus) {
    this.#modules = modules;
    this.#terminus = terminus;
  }

  /**
   * @param key Name of the result. Default: `posthog`
   * @throws Error if the instance does not exist, or if `name` and `instance` differ
   * @throws HealthCheckError with Terminus 10 and 11, if the status is `down`
   */
  check(key = 'posthog', options: CaptureHealthOptions = {}): HealthIndicatorResult {
    const capture = this.#modules.get<CaptureService>(getCaptureToken(nameOf(options)), { strict: false });
    const stats = capture.stats();
    const { health, queueShare, problems } = assessHealth(stats, options);
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
      coolDownUntil: isoTime(stats.coolDownUntil),
      ...(stats.queue && { queue: withoutProblems(stats.queue) }),
      ...(stats.flags && { flags: withoutReads(stats.flags) }),
    };
    const reported = health === 'degraded' && options.failWhenDegraded ? 'down' : health;
    return this.#terminus.result(key, reported, details);
  }
}

/** The report has them. */
function withoutProblems({ role, state, events, bytes, oldestMs, relays, partitionsHeld }: QueueStats) {
  return { role, state, events, bytes, oldestMs, relays, partitionsHeld };
}

function withoutReads({ source, definitionsAgeMs, coolDownUntil, requests, timeouts }: FlagStats) {
  return { source, definitionsAgeMs, coolDownUntil: isoTime(coolDownUntil), requests, timeouts };
}

function isoTime(epochMs: number | null): string | null {
  return epochMs === null ? null : new Date(epochMs).toISOString();
}

function nameOf(options: CaptureHealthOptions): string | undefined {
  const conflict = nameConflict(options);
  if (conflict !== undefined) throw new Error(`health: ${conflict}`);
  return instanceNameOf(options);
}

/** Reports a status the way the installed version of Terminus expects. */
export interface Terminus {
  /** @throws HealthCheckError with Terminus 10 and 11, if the status is `down` */
  result(key: string, status: HealthStatus, details: object): HealthIndicatorResult;
}

type HealthCheckErrorClass = new (message: string, causes: unknown) => Error;

/**
 * Loads the optional package `@nestjs/terminus`. Version 12 has the status `degraded` and takes `down` as a result. Versions 10 and 11
 * have `up` and `down` only, and expect a HealthCheckError for `down`.
 *
 * @see https://docs.nestjs.com/recipes/terminus
 * @throws Error that names the package to install
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

export function terminus10(HealthCheckError: HealthCheckErrorClass): Terminus {
  return {
    result: (key, status, details) => {
      const result: HealthIndicatorResult = { [key]: { ...details, status: status === 'down' ? 'down' : 'up' } };
      if (status === 'down') throw new HealthCheckError(`${key} is down`, result);
      return result;
    },
  };
}
