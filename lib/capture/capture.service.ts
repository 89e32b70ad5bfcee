import { type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { type CaptureContext, type SerializedContext } from '../context/capture-context.js';
import { type EventEnvelope } from '../events/event-envelope.js';
import { type DeliveryReport, NOTHING_DELIVERED } from '../delivery/delivery.js';
import { processClass } from '../shared/process-singleton.js';
import {
  type AliasInput,
  type CaptureEvent,
  type CaptureNowOptions,
  type ExceptionDetails,
  type GroupIdentifyInput,
  type IdentifyInput,
  type SetPersonPropertiesInput,
  type UnsetPersonPropertiesInput,
} from './capture-event.js';
import { allowCaptureCaught } from './capture-caught.js';
import { allowCaptureForeign } from './capture-foreign.js';
import { type CaptureParts } from './capture-parts.js';
import { CaptureResult } from './capture-result.js';
import { type CaptureStats } from './capture-stats.js';
import { CountedIntake } from './event/counted-intake.js';
import { type EventStats } from './event-stats.js';
import { flagStatsOf } from './flag-stats.js';
import { openCallsEnded } from './open-calls.js';
import { type CaptureEventDto } from './input/capture-event.dto.js';
import { checkAiEvent } from './input/check-ai-event.js';
import { checkEvent } from './input/check-event.js';
import { checkStep } from './input/check-step.js';
import { type Checked } from './input/source-event.js';
import {
  checkAlias,
  checkException,
  checkGroupIdentify,
  checkIdentify,
  checkSetPersonProperties,
  checkUnsetPersonProperties,
  SUPPRESSED,
} from './input/special-events.js';
import { followSignal, timeoutOf } from './input/wait-limits.js';
import { reportShutdown } from './report/report-shutdown.js';
import { wallClock } from '../shared/wall-clock.js';

const NOTHING_DONE: DeliveryReport = Object.freeze({ delivered: 0, pending: 0, dropped: {}, error: null });
const DEFAULT_TIMEOUT_MS = 10_000;
const ALREADY_CAPTURED = 'This error has been captured before: one Error object is one event';

class CaptureServiceClass implements OnModuleInit, OnApplicationShutdown {
  /** The current user, session, groups and properties: they apply to all events of the current function and of everything it starts. */
  readonly context: {
    /** Includes what the context inherited; `{}` outside of any context. */
    get(): CaptureContext;
    /** Adds to the current context. Outside of any context (see `withContext`) this has no effect, and a warning is logged. */
    set(partial: CaptureContext): void;
    /** The current context as plain JSON, for the data of a job or a message; `withContext` restores it. */
    export(): SerializedContext;
  };

  readonly #parts: CaptureParts;
  readonly #events: CountedIntake;
  #ending: Promise<DeliveryReport> | null = null;
  #enabled = true;

  /** @internal */
  constructor(parts: CaptureParts) {
    this.#parts = parts;
    this.#events = new CountedIntake(parts);
    const { contexts, reporter } = parts;
    allowCaptureCaught(this, parts.exceptions, (check) => this.#enqueue(check));
    allowCaptureForeign(this, {
      enqueue: (check) => this.#enqueue(check),
      sendNow: (checked, options) => this.#sendNow(checked, options),
      exceptions: parts.exceptions,
    });
    this.context = {
      get: () => contexts.get(),
      set: (partial) => {
        if (!contexts.set(partial))
          reporter.warn('context', 'context.set() has no effect outside of a context. Wrap the work in withContext().');
      },
      export: () => contexts.export(),
    };
  }

  /**
   * Captures an event: checks it, serializes it and adds it to the queue. It is sent later. Never throws.
   *
   * @returns the event's uuid, or null if the event was dropped (counted in `stats()`, logged, reported to `onDrop`) or the instance is
   * disabled
   */
  capture(event: CaptureEvent | CaptureEventDto): string | null;
  /**
   * Captures an instance of a class with `@Event`.
   *
   * @param envelope the fields besides the properties: `distinctId`, `groups`, `timestamp`, …
   */
  capture(event: object, envelope: EventEnvelope): string | null;
  capture(event: object, envelope?: EventEnvelope): string | null {
    return this.#enqueue(() => checkEvent(event, envelope));
  }

  /**
   * Sends an event and waits for PostHog's response. Concurrent calls share a request. If the event cannot be delivered within the time
   * limit, it is dropped, and the result has the error. Never rejects.
   */
  captureNow(event: CaptureEvent | CaptureEventDto, options?: CaptureNowOptions): Promise<CaptureResult>;
  /** Sends an instance of a class with `@Event`, and waits for PostHog's response. */
  captureNow(event: object, envelope: EventEnvelope & CaptureNowOptions): Promise<CaptureResult>;
  captureNow(event: object, options?: EventEnvelope & CaptureNowOptions): Promise<CaptureResult> {
    return this.#sendNow(checkEvent(event, options), options);
  }

  /**
   * Captures an AI event, such as `$ai_generation`, for PostHog's endpoint for AI events, which accepts up to 8 MiB each. AI events have a
   * separate queue and separate requests, so that other events do not wait for them. An event whose name does not start with `$ai_` is
   * captured as by `capture`, and a warning is logged. Never throws.
   *
   * @returns the event's uuid, or null if the event was dropped or the instance is disabled
   */
  captureAi(event: CaptureEvent | CaptureEventDto): string | null {
    return this.#enqueue(() => checkAiEvent(event));
  }

  /** `captureAi`, waiting for PostHog's response as `captureNow` does. */
  captureAiNow(event: CaptureEvent | CaptureEventDto, options?: CaptureNowOptions): Promise<CaptureResult> {
    return this.#sendNow(checkAiEvent(event), options);
  }

  /** `identify`, waiting for PostHog's response as `captureNow` does. */
  identifyNow(input: IdentifyInput, options?: CaptureNowOptions): Promise<CaptureResult> {
    return this.#sendNow(checkIdentify(input), options);
  }

  /** `alias`, waiting for PostHog's response as `captureNow` does. */
  aliasNow(input: AliasInput, options?: CaptureNowOptions): Promise<CaptureResult> {
    return this.#sendNow(checkAlias(input), options);
  }

  /** `groupIdentify`, waiting for PostHog's response as `captureNow` does. */
  groupIdentifyNow(input: GroupIdentifyInput, options?: CaptureNowOptions): Promise<CaptureResult> {
    return this.#sendNow(checkGroupIdentify(input), options);
  }

  /** `setPersonProperties`, waiting for PostHog's response as `captureNow` does. */
  setPersonPropertiesNow(input: SetPersonPropertiesInput, options?: CaptureNowOptions): Promise<CaptureResult> {
    return this.#sendNow(checkSetPersonProperties(input), options);
  }

  /** `unsetPersonProperties`, waiting for PostHog's response as `captureNow` does. */
  unsetPersonPropertiesNow(input: UnsetPersonPropertiesInput, options?: CaptureNowOptions): Promise<CaptureResult> {
    return this.#sendNow(checkUnsetPersonProperties(input), options);
  }

  /** `captureException`, waiting for PostHog's response as `captureNow` does. */
  captureExceptionNow(error: unknown, details?: ExceptionDetails, options?: CaptureNowOptions): Promise<CaptureResult> {
    const { exceptions } = this.#parts;
    const uuid = this.disabled ? undefined : exceptions.capturedAs(error);
    if (uuid !== undefined)
      return Promise.resolve(new CaptureResult({ event: '$exception', distinctId: '', error: ALREADY_CAPTURED, uuid }));
    if (!this.disabled && exceptions.suppresses(error)) return this.#sendNow(SUPPRESSED, options);
    const calledFrom: unknown = Reflect.get(this, 'captureExceptionNow');
    return this.#sendNow(checkException(error, details, undefined, undefined, calledFrom), options);
  }

  async #sendNow(checked: Checked, options: unknown): Promise<CaptureResult> {
    const { pipeline } = this.#parts;
    const resultOf = (distinctId: string, error: string | null, uuid: string | null): CaptureResult =>
      new CaptureResult({ event: checked.ok ? checked.source.event : checked.event, distinctId, error, uuid });
    if (!pipeline || !this.#enabled) {
      return resultOf((checked.ok ? checked.source.distinctId : undefined) ?? '', 'Event dropped: disabled', null);
    }
    const taken = this.#events.take(checked);
    if (!taken.ok) {
      const error = taken.reason === 'invalid' ? `Invalid event: ${taken.detail}` : `Event dropped: ${taken.reason}`;
      return resultOf(taken.distinctId, error, taken.uuid);
    }
    const { queued, distinctId } = taken;
    const followed = followSignal(options);
    const outcome = await pipeline.deliverNow(queued, {
      timeoutMs: timeoutOf(options) ?? DEFAULT_TIMEOUT_MS,
      signal: followed?.signal,
    });
    followed?.release();
    return resultOf(distinctId, outcome.delivered ? null : outcome.message, taken.uuid);
  }

  /**
   * Sets properties of a person and merges an anonymous id into it.
   *
   * @returns the uuid, or null if the event was dropped, as it is without a valid `distinctId`
   */
  identify(input: IdentifyInput): string | null {
    return this.#enqueue(() => checkIdentify(input));
  }

  /** Makes `alias` another id of the person `distinctId`. PostHog cannot undo this. Returns the uuid, or null if the event was dropped. */
  alias(input: AliasInput): string | null {
    return this.#enqueue(() => checkAlias(input));
  }

  /** Sets properties of a group. Returns the uuid, or null if the event was dropped. */
  groupIdentify(input: GroupIdentifyInput): string | null {
    return this.#enqueue(() => checkGroupIdentify(input));
  }

  /** Sets properties of a person; `setOnce` keeps existing values. Returns the uuid, or null if the event was dropped. */
  setPersonProperties(input: SetPersonPropertiesInput): string | null {
    return this.#enqueue(() => checkSetPersonProperties(input));
  }

  /** Removes properties of a person. Returns the uuid, or null if the event was dropped. */
  unsetPersonProperties(input: UnsetPersonPropertiesInput): string | null {
    return this.#enqueue(() => checkUnsetPersonProperties(input));
  }

  /**
   * Captures a thrown value of any type for PostHog's error tracking, with its causes and stack frames. Also takes the arguments of
   * posthog-node: distinct id, properties and uuid. An Error object is one event: a second call returns the uuid of the first, or null if
   * another client of PostHog has captured it. Of each type, up to 10 errors are captured in a burst, then one every 10 seconds.
   *
   * @param details or a distinct id
   * @param properties take precedence over those of `details`
   * @param uuid takes precedence over that of `details`
   * @returns the uuid, or null if the event was dropped
   */
  captureException(
    error: unknown,
    details?: ExceptionDetails | string | number,
    properties?: Record<string, unknown>,
    uuid?: string,
  ): string | null {
    const { exceptions } = this.#parts;
    const known = this.disabled ? null : exceptions.capturedAs(error);
    if (known !== undefined) return known;
    if (exceptions.suppresses(error)) return this.#enqueue(() => SUPPRESSED);
    const calledFrom: unknown = Reflect.get(this, 'captureException');
    return this.#enqueue(() => checkException(error, details, properties, uuid, calledFrom));
  }

  /**
   * Records a step of the current request, message, job or `withContext`, for PostHog's error tracking: errors captured later in it
   * have its previous steps as `$exception_steps`. The newest 32 KiB are kept. Captured events are steps, too, by their names.
   * Outside of any context this has no effect, and a warning is logged. Never throws.
   *
   * @param message not blank
   * @param properties converted as those of an event
   */
  step(message: string, properties?: Record<string, unknown>): void {
    if (this.disabled) return;
    const { contexts, reporter } = this.#parts;
    const warn = (warning: string): void => reporter.warn(`step: ${warning}`, `step(): ${warning}.`);
    const step = checkStep(message, properties, wallClock(), warn);
    if (step !== null && !contexts.addStep(step.text, step.bytes))
      reporter.warn('step', 'step() has no effect outside of a context. Wrap the work in withContext().');
  }

  /**
   * Sends pending events now; during a cool-down, with a single probe. Resolves when every event captured before the call is settled, when
   * PostHog cannot be reached, or at the time limit. Never rejects.
   *
   * @param options.timeoutMs milliseconds. Default: 10 000
   */
  async flush(options?: { timeoutMs?: number }): Promise<DeliveryReport> {
    return this.#parts.pipeline?.flush(timeoutOf(options) ?? DEFAULT_TIMEOUT_MS) ?? NOTHING_DONE;
  }

  /**
   * Back-pressure for bulk work: resolves when the queue is at most half full, when the instance is closed or disabled, or at the time
   * limit. `await` it before each `capture()` of a long loop. In a function of CaptureOutbox, it writes the events captured so far if there
   * are enough for a statement, and resolves when they are written.
   *
   * @param options.timeoutMs milliseconds. Default: no limit
   */
  async ready(options?: { timeoutMs?: number }): Promise<void> {
    if (this.#enabled) await this.#parts.pipeline?.ready(timeoutOf(options));
  }

  /** A snapshot. A disabled instance counts nothing. */
  stats(): CaptureStats {
    const { pipeline, reporter, queueStats } = this.#parts;
    const { recovered, delivered, secondLane: ai, ...held } = pipeline?.stats() ?? NOTHING_DELIVERED;
    let byEvent: EventStats[] | undefined;
    return {
      captured: this.#events.calls,
      recovered,
      delivered,
      dropped: reporter.total,
      droppedByReason: reporter.byReason,
      // Sorts the names, so only if it is read.
      get byEvent() {
        return (byEvent ??= reporter.events.most);
      },
      ...held,
      ai,
      queue: queueStats?.() ?? null,
      flags: flagStatsOf(this),
    };
  }

  /** Stops capturing until `enable()`. Pending events are still sent. To opt out one person: `withContext({ optedOut: true }, …)`. */
  disable(): void {
    this.#enabled = false;
  }

  /** Undoes `disable()`. */
  enable(): void {
    this.#enabled = true;
  }

  /** true after `disable()`, and with option `enabled: false`. */
  get disabled(): boolean {
    return !this.#enabled || this.#parts.pipeline === null;
  }

  /**
   * Runs `fn`, and everything it starts, in a context that adds to the current one: `distinctId`, `sessionId` and `optedOut` replace,
   * `groups` and `properties` merge.
   *
   * @param context a context, or the result of `context.export()`, perhaps of another process. Invalid fields are ignored, with a warning
   * @returns the result of `fn`; its errors are not caught
   */
  withContext<T>(context: CaptureContext | SerializedContext | null | undefined, fn: () => T): T {
    const given: unknown = fn;
    const { contexts, reporter } = this.#parts;
    if (typeof given === 'function') return contexts.run(context, fn);
    reporter.warn('context', 'withContext() did nothing, because its second argument is not a function.');
    return undefined as T;
  }

  /** Called by Nest. Throws if option `http` is the token of an HttpService that does not exist. */
  onModuleInit(): void {
    this.#parts.onStart?.();
  }

  /**
   * Called by Nest. Waits for calls that end with the application, and sends pending events, both within `shutdownTimeoutMs`. Idempotent;
   * never rejects.
   */
  onApplicationShutdown(): Promise<DeliveryReport> {
    return (this.#ending ??= this.#end());
  }

  async #end(): Promise<DeliveryReport> {
    const { pipeline, onClose, onClosed } = this.#parts;
    onClose?.();
    if (!pipeline) return NOTHING_DONE;
    const report = await pipeline.close(openCallsEnded(this)).finally(onClosed);
    reportShutdown(this.#parts.reporter, report, this.stats(), pipeline.uncommitted);
    return report;
  }

  #enqueue(check: () => Checked): string | null {
    const { pipeline } = this.#parts;
    if (!pipeline || !this.#enabled) return null;
    const taken = this.#events.take(check());
    return taken.ok && pipeline.accept(taken.queued) ? taken.uuid : null;
  }
}

/**
 * Captures events. Inject it, or a named instance with `@InjectCapture(name)`. One class per process, even if the package is loaded both
 * as ESM and as CommonJS.
 *
 * @class
 */
export const CaptureService = processClass('CaptureService', CaptureServiceClass);
export interface CaptureService extends CaptureServiceClass {}
