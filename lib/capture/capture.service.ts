import { type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { type CaptureContext, type SerializedContext } from '../context/capture-context.js';
import { type ContextStorage } from '../context/context-storage.js';
import {
  type Delivery,
  type DeliveryReport,
  type DropReason,
  NOTHING_DELIVERED,
  type PendingLimits,
  type RequestStats,
  type SendFailure,
} from '../delivery/delivery.js';
import { processClass } from '../shared/process-singleton.js';
import {
  type AliasInput,
  type CaptureEvent,
  type GroupIdentifyInput,
  type IdentifyInput,
  type SetPersonPropertiesInput,
  type UnsetPersonPropertiesInput,
} from './capture-event.js';
import { checkEvent } from './input/check-event.js';
import { type EventReporter } from './report/event-reporter.js';
import { type CaptureEventDto } from './input/capture-event.dto.js';
import { CaptureResult } from './capture-result.js';
import { type EventIntake, type Taken } from './event/event-intake.js';
import { type Checked, type SourceEvent } from './input/source-event.js';
import {
  checkAlias,
  checkException,
  checkGroupIdentify,
  checkIdentify,
  checkSetPersonProperties,
  checkUnsetPersonProperties,
} from './input/special-events.js';
import { followSignal, timeoutOf } from './input/wait-limits.js';

/** Where events are now. `captured + recovered = delivered + dropped + pending` at every moment. */
export interface CaptureStats {
  /** Calls that captured something, each counted once, those whose event was dropped at once included. */
  captured: number;
  /** Events that a store brought back from an earlier process. */
  recovered: number;
  delivered: number;
  dropped: number;
  droppedByReason: Partial<Record<DropReason, number>>;
  /** Events that wait or are in flight. */
  pending: number;
  /** Their bytes, as JSON in UTF-8. */
  pendingBytes: number;
  /** Those of the pending events that a request carries, or that wait for its retry. */
  inFlight: number;
  /** Requests that were repeated. */
  retries: number;
  /** Requests that are over: how many, by status, and how long the last 1000 of them took. */
  requests: RequestStats;
  /**
   * Milliseconds since the oldest pending event was captured; null when none is pending. A growing age says that events do
   * not get through. By the clock of the machine: one that is set makes it wrong until the events are gone.
   */
  oldestPendingMs: number | null;
  /** When a cool-down ends and one request goes as a probe, in epoch milliseconds; null when there is no cool-down. */
  coolDownUntil: number | null;
  /** The options that bound what is pending; null for a disabled instance. */
  limits: PendingLimits | null;
  /** What PostHog or the network last answered to what is pending, or that the project is over its quota, and what to do; else null. */
  lastFailure: SendFailure | null;
  /** Whether events are in memory only because the store fails. */
  storeFailing: boolean;
}

/** What CaptureService is made of; a disabled instance has no pipeline. */
export interface CaptureParts {
  readonly contexts: ContextStorage;
  readonly intake: EventIntake;
  readonly pipeline: Delivery | null;
  readonly reporter: EventReporter;
  /** Called when the application starts; may throw. */
  readonly onStart?: () => void;
  /** Called when the application closes. */
  readonly onClose?: () => void;
}

const NOTHING_DONE: DeliveryReport = Object.freeze({ delivered: 0, pending: 0, dropped: {}, error: null });
const DEFAULT_TIMEOUT_MS = 10_000;
const UNREADABLE = 'the event could not be read';

class CaptureServiceClass implements OnModuleInit, OnApplicationShutdown {
  /** Who is acting, for the events of everything that the current function starts. */
  readonly context: {
    /** The current context, merged from those around it; `{}` outside any. */
    get(): CaptureContext;
    /** Adds to the current context. Outside any (`withContext` opens one) it has no effect but a warning. */
    set(partial: CaptureContext): void;
    /** The current context as plain JSON, for a job's data or a message; `withContext` restores it. */
    export(): SerializedContext;
  };

  readonly #parts: CaptureParts;
  #ending: Promise<DeliveryReport> | null = null;
  #enabled = true;
  #captured = 0;

  constructor(parts: CaptureParts) {
    this.#parts = parts;
    const { contexts, reporter } = parts;
    this.context = {
      get: () => contexts.get(),
      set: (partial) => {
        if (!contexts.set(partial))
          reporter.warn('context', 'context.set() has no effect outside a context: wrap the work in withContext().');
      },
      export: () => contexts.export(),
    };
  }

  /**
   * Captures an event: it is checked, made immutable and queued before this returns, and sent later.
   *
   * @returns the event's uuid, or null when it was dropped (counted in `stats()`, logged, told to `onDrop`) or the
   * instance is disabled. Never throws.
   */
  capture(event: CaptureEvent | CaptureEventDto): string | null {
    return this.#enqueue(() => checkEvent(event));
  }

  /**
   * Sends one event and waits for PostHog's answer. Calls made together share a request. An event that could not be
   * delivered in time is not kept: the caller knows.
   *
   * @param options.timeoutMs milliseconds, retries included. Default: 10 000
   * @param options.signal ends the wait
   * @returns what came of it. Never rejects.
   */
  async captureNow(
    event: CaptureEvent | CaptureEventDto,
    options?: { timeoutMs?: number; signal?: AbortSignal },
  ): Promise<CaptureResult> {
    const { pipeline } = this.#parts;
    const checked = checkEvent(event);
    const answer = (distinctId: string, error: string | null, uuid: string | null): CaptureResult =>
      new CaptureResult({ event: checked.ok ? checked.source.event : checked.event, distinctId, error, uuid });
    if (!pipeline || !this.#enabled) {
      return answer((checked.ok ? checked.source.distinctId : undefined) ?? '', 'Event dropped: disabled', null);
    }
    const taken = this.#take(checked);
    if (!taken.ok) {
      const error = taken.reason === 'invalid' ? `Invalid event: ${taken.detail}` : `Event dropped: ${taken.reason}`;
      return answer(taken.distinctId, error, taken.uuid);
    }
    const { queued, distinctId } = taken;
    const followed = followSignal(options);
    const outcome = await pipeline.deliverNow(queued, {
      timeoutMs: timeoutOf(options) ?? DEFAULT_TIMEOUT_MS,
      signal: followed?.signal,
    });
    followed?.release();
    return answer(distinctId, outcome.delivered ? null : outcome.message, taken.uuid);
  }

  /**
   * Sets properties of a person, and links the anonymous id that was theirs.
   *
   * @returns the uuid, or null when dropped: without a usable `distinctId` no identity is invented
   */
  identify(input: IdentifyInput): string | null {
    return this.#enqueue(() => checkIdentify(input));
  }

  /** Makes `alias` another id of the person `distinctId`. PostHog cannot undo it. Returns the uuid, or null when dropped. */
  alias(input: AliasInput): string | null {
    return this.#enqueue(() => checkAlias(input));
  }

  /** Sets properties of a group. Returns the uuid, or null when dropped. */
  groupIdentify(input: GroupIdentifyInput): string | null {
    return this.#enqueue(() => checkGroupIdentify(input));
  }

  /** Sets properties of a person: `set` always, `setOnce` those that are not set yet. Returns the uuid, or null when dropped. */
  setPersonProperties(input: SetPersonPropertiesInput): string | null {
    return this.#enqueue(() => checkSetPersonProperties(input));
  }

  /** Removes properties of a person. Returns the uuid, or null when dropped. */
  unsetPersonProperties(input: UnsetPersonPropertiesInput): string | null {
    return this.#enqueue(() => checkUnsetPersonProperties(input));
  }

  /**
   * Captures anything that was thrown, with its causes and stack frames, for PostHog's error tracking.
   *
   * @returns the uuid, or null when dropped
   */
  captureException(
    error: unknown,
    options?: { distinctId?: string | number; properties?: Record<string, unknown> },
  ): string | null {
    return this.#enqueue(() => checkException(error, options));
  }

  /**
   * Sends what is pending now, with a single probe while cooling down. Resolves when all that was captured before is
   * settled, when PostHog cannot be reached, or at the time limit. Never rejects.
   *
   * @param options.timeoutMs milliseconds. Default: 10 000
   */
  async flush(options?: { timeoutMs?: number }): Promise<DeliveryReport> {
    return this.#parts.pipeline?.flush(timeoutOf(options) ?? DEFAULT_TIMEOUT_MS) ?? NOTHING_DONE;
  }

  /**
   * Back-pressure for bulk work: resolves when the queue is at most half full, when the instance is closed or
   * disabled, or at the time limit. `await` it before each `capture()` of a long loop.
   *
   * @param options.timeoutMs milliseconds. Default: no limit
   */
  async ready(options?: { timeoutMs?: number }): Promise<void> {
    if (this.#enabled) await this.#parts.pipeline?.ready(timeoutOf(options));
  }

  /** Counts of this moment. A disabled instance counts nothing. */
  stats(): CaptureStats {
    const { pipeline, reporter } = this.#parts;
    const { recovered, delivered, ...held } = pipeline?.stats() ?? NOTHING_DELIVERED;
    return {
      captured: this.#captured,
      recovered,
      delivered,
      dropped: reporter.total,
      droppedByReason: reporter.byReason,
      ...held,
    };
  }

  /** Captures nothing more until `enable()`. What is pending is still sent. For one person: `withContext({ optedOut: true }, …)`. */
  disable(): void {
    this.#enabled = false;
  }

  enable(): void {
    this.#enabled = true;
  }

  /** Whether calls capture nothing now: after `disable()`, or with option `enabled: false`. */
  get disabled(): boolean {
    return !this.#enabled || this.#parts.pipeline === null;
  }

  /**
   * Runs `fn` in a context that adds to the current one, for it and for all that it starts: a person, a session and
   * `optedOut` replace, groups and properties merge.
   *
   * @param context a context, or what `context.export()` gave in another process; nothing of it is trusted
   * @returns what `fn` returns; what it throws passes through
   */
  withContext<T>(context: CaptureContext | SerializedContext | null | undefined, fn: () => T): T {
    const given: unknown = fn;
    const { contexts, reporter } = this.#parts;
    if (typeof given === 'function') return contexts.run(context, fn);
    reporter.warn('context', 'withContext() was given no function, so there was nothing to run.');
    return undefined as T;
  }

  /** Nest calls it. Throws when option `http` names a service that is not there: a fault of configuration, so at boot. */
  onModuleInit(): void {
    this.#parts.onStart?.();
  }

  /** Sends what is left, within `shutdownTimeoutMs`, and reports. Idempotent, never rejects. Nest calls it. */
  onApplicationShutdown(): Promise<DeliveryReport> {
    return (this.#ending ??= this.#end());
  }

  async #end(): Promise<DeliveryReport> {
    const { pipeline, onClose } = this.#parts;
    onClose?.();
    if (!pipeline) return NOTHING_DONE;
    const report = await pipeline.close();
    this.#sayWhatCameOf(report);
    return report;
  }

  #sayWhatCameOf(report: DeliveryReport): void {
    const { reporter } = this.#parts;
    // The report does not cover what was captured while it closed.
    const { requests, delivered, dropped, droppedByReason, pending } = this.stats();
    const lost = droppedByReason.shutdown ?? 0;
    if (lost + pending > 0) {
      const kept = pending > 0 ? `, ${pending} stay in the store for the next start` : '';
      const why = report.error === null ? '' : ` The last answer was: ${report.error}.`;
      reporter.warn(
        'shutdown',
        `Shut down: ${report.delivered} events were delivered${kept}, ${lost} were lost.${why}`,
      );
    } else if (requests.total > 0) {
      // A process that sent nothing has nothing to say.
      const all = `since the start ${delivered} events were delivered and ${dropped} dropped`;
      reporter.note('shut down', `Shut down: ${all}; none is left.`);
    }
  }

  #enqueue(check: () => Checked): string | null {
    const { pipeline } = this.#parts;
    if (!pipeline || !this.#enabled) return null;
    const taken = this.#take(check());
    return taken.ok && pipeline.accept(taken.queued) ? taken.uuid : null;
  }

  /** Counts the call, and reports what it has to say; an event that is refused here is accounted for. */
  #take(checked: Checked): Taken {
    const { reporter } = this.#parts;
    if (!checked.ok) {
      const { event, problem: detail } = checked;
      this.#captured += 1;
      reporter.dropped({ reason: 'invalid', event, uuid: null, detail });
      return { ok: false, reason: 'invalid', detail, uuid: null, distinctId: '' };
    }
    const { source, warnings } = checked;
    const warn = (warning: string): void => reporter.warned(warning, source.event);
    for (const warning of warnings) warn(warning);
    const taken = this.#takeIn(source, warn);
    // Not before: a beforeSend that asks for stats() must not see an event that is neither pending nor dropped.
    this.#captured += 1;
    if (!taken.ok) {
      reporter.dropped({ reason: taken.reason, event: source.event, uuid: taken.uuid, detail: taken.detail });
    }
    return taken;
  }

  #takeIn(source: SourceEvent, warn: (warning: string) => void): Taken {
    try {
      return this.#parts.intake.take(source, warn);
    } catch {
      // Whatever an input may have up its sleeve: it costs that event, and never reaches the caller.
      return { ok: false, reason: 'invalid', detail: UNREADABLE, uuid: null, distinctId: source.distinctId ?? '' };
    }
  }
}

/**
 * Captures events. Inject it, or a named instance with `@InjectCapture(name)`. One class per process, also where the
 * package is loaded both as ESM and as CommonJS.
 */
export const CaptureService = processClass('CaptureService', CaptureServiceClass);
export type CaptureService = CaptureServiceClass;
