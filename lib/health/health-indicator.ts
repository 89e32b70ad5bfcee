import { type ModuleRef } from '@nestjs/core';
import { type HealthIndicatorResult } from '@nestjs/terminus';
import { type CaptureService } from '../capture/capture.service.js';
import { getCaptureToken } from '../capture/inject-capture.decorator.js';
import { type CaptureHealthThresholds, judgeCapture } from './judge-capture.js';
import { type Terminus } from './terminus.js';

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
    const { health, queueShare, problems } = judgeCapture(stats, thresholds);
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
