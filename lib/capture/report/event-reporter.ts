import { types } from 'node:util';
import { type LoggerService } from '@nestjs/common';
import {
  type AnsweredRequest,
  type BatchLimit,
  type DeliveryObserver,
  type DropReason,
  type EventDrop,
  type QueuedEvent,
  type SendFailure,
} from '../../delivery/delivery.js';
import { QUOTA_REMEDY } from '../../wire/status-table.js';
import { ownText } from '../event/event-stamps.js';
import { CaptureLog } from './capture-log.js';
import { EventCounts } from './event-counts.js';
import { capitalized, type Route, routeOf } from './route.js';

/**
 * Follows the events of an instance, including those dropped before delivery. Called synchronously, so it must return quickly and
 * must not capture. A watcher that throws is removed.
 */
export interface EventWatcher extends Partial<DeliveryObserver> {
  /** Part of a call was omitted or replaced; its event is still captured. Called during the call. */
  warned?(warning: string, event: string): void;
  /**
   * Called before `queued` for an event with warnings, or with another name than in the call.
   *
   * @param name the name in the call, which `beforeSend` may have replaced
   * @param warnings those of the call
   */
  altered?(event: QueuedEvent, name: string, warnings: readonly string[]): void;
}

/** Callbacks of the application. Both may throw or reject. */
export interface ReportCallbacks {
  readonly onDrop?: (drop: EventDrop) => unknown;
  readonly onDelivery?: (delivery: { uuids: string[]; attempts: number; durationMs: number }) => unknown;
}

/** undefined for drops that the application asked for: they are logged at level debug. */
const REMEDIES: Readonly<Record<DropReason, string | ((route: Route) => string) | undefined>> = {
  invalid: 'fix the call',
  schema: 'fix the call or the definition; with events.invalid or events.unknown set to warn, such events are sent',
  opted_out: undefined,
  before_send: undefined,
  rolled_back: undefined,
  sampled: undefined,
  over_limit: 'raise its limit in option limits or in its definition if such events are wanted',
  duplicate: undefined,
  rate_limited: 'fix the error; option exceptions.limit changes the limit',
  too_large:
    'shorten its properties, or raise maxEventBytes (PostHog stores up to about 1 MB, and 8 MiB of an AI event)',
  queue_full: ({ backlogRemedy }) => backlogRemedy,
  rejected: "fix the event; the reason given is PostHog's",
  quota: QUOTA_REMEDY,
  undelivered: 'see the reason, which captureNow has returned to its caller; capture() keeps events and retries them',
  expired: ({ receiver }) => `${receiver} was unreachable for longer than maxEventAgeMs`,
  shutdown: 'raise shutdownTimeoutMs, and call app.enableShutdownHooks()',
};

/**
 * Reports on the events of one instance: counts drops, then notifies the watchers, writes the log and calls the
 * application's callbacks. No line contains a property or the key.
 */
export class EventReporter implements DeliveryObserver {
  /** Counts by the name of the event. */
  readonly events = new EventCounts();
  readonly #log: CaptureLog;
  readonly #callbacks: ReportCallbacks;
  readonly #route: Route;
  readonly #onLost: (event: QueuedEvent) => void;
  readonly #watchers = new Set<EventWatcher>();
  readonly #counts: Partial<Record<DropReason, number>> = {};
  #total = 0;
  #inOnDrop = false;

  /** @param onLost called with an event that was captured and will not arrive. Must not throw */
  constructor(
    logger: LoggerService,
    callbacks: ReportCallbacks = {},
    route = routeOf(),
    onLost: (event: QueuedEvent) => void = () => undefined,
  ) {
    this.#log = new CaptureLog(logger);
    this.#callbacks = callbacks;
    this.#route = route;
    this.#onLost = onLost;
  }

  /** Number of dropped events. */
  get total(): number {
    return this.#total;
  }

  get byReason(): Partial<Record<DropReason, number>> {
    return { ...this.#counts };
  }

  /** Returns a function that removes the watcher. */
  watch(watcher: EventWatcher): () => void {
    this.#watchers.add(watcher);
    return () => void this.#watchers.delete(watcher);
  }

  /** @param text or a function that is only called if the line is logged */
  warn(kind: string, text: string | (() => string)): void {
    this.#log.warn(kind, text);
  }

  note(kind: string, text: string): void {
    this.#log.info(kind, text);
  }

  /**
   * Part of a call was omitted or replaced; its event is still captured.
   *
   * @param isOfName the log has a line of its own for each event name
   */
  warned(warning: string, event: string, isOfName = false): void {
    if (this.#watchers.size > 0) this.#notify('warned', warning, event);
    const kind = isOfName ? kindOf(event, warning) : `input: ${warning}`;
    this.warn(kind, `Event ${JSON.stringify(event)}: ${warning}.`);
  }

  altered(event: QueuedEvent, name: string, warnings: readonly string[]): void {
    if (this.#watchers.size > 0) this.#notify('altered', event, name, warnings);
  }

  queued(event: QueuedEvent): void {
    if (this.#watchers.size > 0) this.#notify('queued', event);
  }

  sending(events: readonly QueuedEvent[], attempt: number): void {
    if (this.#watchers.size > 0) this.#notify('sending', events, attempt);
  }

  answered(request: AnsweredRequest): void {
    if (this.#watchers.size > 0) this.#notify('answered', request);
  }

  retrying(events: readonly QueuedEvent[], delayMs: number | null, failure: SendFailure): void {
    if (this.#watchers.size > 0) this.#notify('retrying', events, delayMs, failure);
  }

  /** The events were written to a place from which another process sends them. It is not known yet what PostHog accepts. */
  handedOver(events: readonly QueuedEvent[], durationMs: number): void {
    if (this.#watchers.size > 0) this.#notify('delivered', events, 1, durationMs);
  }

  delivered(events: readonly QueuedEvent[], attempts: number, durationMs: number): void {
    if (this.#watchers.size > 0) this.#notify('delivered', events, attempts, durationMs);
    const { onDelivery } = this.#callbacks;
    if (!onDelivery) return;
    const delivery = { uuids: events.map(({ id }) => ownText(id)), attempts, durationMs };
    this.#call('onDelivery', () => onDelivery(delivery));
  }

  /** @param isWanted the application asked for the drop. Default: the reason decides */
  dropped({ reason, event, uuid, detail }: EventDrop, queued?: QueuedEvent, isWanted?: boolean): void {
    this.#total += 1;
    this.#counts[reason] = (this.#counts[reason] ?? 0) + 1;
    this.events.dropped(event, reason);
    const drop: EventDrop = { reason, event, uuid: uuid === null ? null : ownText(uuid), detail };
    if (queued !== undefined) this.#onLost(queued);
    if (this.#watchers.size > 0) this.#notify('dropped', drop);
    const known = isWanted === true ? undefined : REMEDIES[reason];
    const text = (): string => `Event ${JSON.stringify(event)} dropped (${reason}): ${detail}`;
    if (known === undefined) this.#log.debug(`dropped: ${reason}`, text);
    else {
      const remedy = typeof known === 'function' ? known(this.#route) : known;
      const kind = reason === 'schema' ? kindOf(event, detail) : `dropped: ${reason}`;
      this.warn(kind, () => `${text()}. Remedy: ${remedy}.`);
    }
    const { onDrop } = this.#callbacks;
    // A drop caused by the callback itself is only counted and logged: it could go on forever.
    if (!onDrop || this.#inOnDrop) return;
    this.#inOnDrop = true;
    this.#call('onDrop', () => onDrop(drop));
    this.#inOnDrop = false;
  }

  gone(events: readonly QueuedEvent[]): void {
    this.warn(
      'gone',
      `${events.length} events were taken over by another process, because this one did not renew its claim to them in time. Some may be sent twice; PostHog stores them once. Remedy: check whether this process was stopped or short of CPU, and its connection to the queue.`,
    );
    if (this.#watchers.size > 0) this.#notify('gone', events);
  }

  coolingDown(failure: SendFailure, coolDownMs: number, pending: number): void {
    const { message, remedy } = failure;
    this.warn(
      `cooling down: ${message}`,
      `${message}. ${pending} events are kept and will be sent when ${this.#route.receiver} responds. Remedy: ${remedy}.`,
    );
    if (this.#watchers.size > 0) this.#notify('coolingDown', failure, coolDownMs, pending);
  }

  resumed(pending: number): void {
    this.note('resumed', `${capitalized(this.#route.receiver)} responds again. ${pending} events will be sent.`);
    if (this.#watchers.size > 0) this.#notify('resumed', pending);
  }

  batchLimited(limit: BatchLimit | null): void {
    if (limit) this.warn('batch limit', `${limit.message}. No event is lost. Remedy: ${limit.remedy}.`);
    else this.note('batch limit over', 'Larger requests are accepted again: batches are no longer limited.');
    if (this.#watchers.size > 0) this.#notify('batchLimited', limit);
  }

  storeFailed(problem: string): void {
    const { storeName, storeFailed, storeRemedy } = this.#route;
    this.warn('store failed', `${capitalized(storeName)} fails: ${problem}. ${storeFailed}. Remedy: ${storeRemedy}.`);
    if (this.#watchers.size > 0) this.#notify('storeFailed', problem);
  }

  storeWorks(): void {
    this.note('store works', `${this.#route.storeWorks}.`);
    if (this.#watchers.size > 0) this.#notify('storeWorks');
  }

  storeWarned(warning: string): void {
    this.warn(`store: ${warning}`, warning);
    if (this.#watchers.size > 0) this.#notify('storeWarned', warning);
  }

  /** Only called if there are watchers: it allocates. */
  #notify<Name extends keyof EventWatcher>(name: Name, ...args: Parameters<Required<EventWatcher>[Name]>): void {
    for (const watcher of this.#watchers) {
      try {
        const method: unknown = watcher[name];
        if (typeof method === 'function') Reflect.apply(method, watcher, args);
      } catch {
        this.#watchers.delete(watcher);
        this.warn('watcher', 'An event watcher threw and was removed. The events are not affected.');
      }
    }
  }

  #call(name: string, callback: () => unknown): void {
    const failed = (): void =>
      this.warn(`callback: ${name}`, `${name} failed: it must not throw or reject. The events are not affected.`);
    try {
      const result = callback();
      if (types.isPromise(result)) result.catch(failed);
    } catch {
      failed();
    }
  }
}

/** Lines about definitions are a topic of their own, because the names of events may come from input. */
const kindOf = (event: string, problem: string): string => `definitions: ${event}: ${problem}`;
