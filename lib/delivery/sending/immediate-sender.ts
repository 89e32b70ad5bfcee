import { deliverBatch, type RetryPolicy, type TravelListener } from './deliver-batch.js';
import {
  type DropReason,
  type QueuedEvent,
  type SendBatch,
  type SenderMessages,
  type SendFailure,
  type ImmediateCall,
  type ImmediateOutcome,
} from '../delivery.js';
import { type LeaseLimits } from '../queue/event-queue.js';
import { EventCount } from '../queue/event-count.js';
import { backgroundTimer, deadlineTimer, Sleepers, type Timer } from '../timers.js';

/** How the lane batches and retries. */
export interface ImmediateSenderOptions extends LeaseLimits, RetryPolicy {
  /** Requests of this lane in flight at once. */
  readonly concurrency: number;
}

/** Who is told what becomes of the events. Must not throw. */
export interface ImmediateSenderListener extends TravelListener {
  /** A call waits. */
  queued(event: QueuedEvent): void;
  /** A call has its answer. */
  settled(call: object, event: QueuedEvent, outcome: ImmediateOutcome): void;
  /** The receiver is there and takes events. */
  answered(): void;
}

interface ImmediateEvent {
  readonly event: QueuedEvent;
  group: Group | null;
  /** Answers the caller; further answers are ignored. */
  answer(outcome: ImmediateOutcome): void;
}

interface Group {
  readonly passengers: Set<ImmediateEvent>;
  readonly abort: AbortController;
  readonly retries: Sleepers;
  lastFailure: SendFailure | null;
}

/**
 * Sends events whose callers wait for the answer, past the queue and whatever state it is in. Calls that come
 * together share a request; further ones wait for a free one of `concurrency`. What fails is not kept.
 */
export class ImmediateSender {
  readonly #options: ImmediateSenderOptions;
  readonly #send: SendBatch;
  readonly #messages: SenderMessages;
  readonly #listener: ImmediateSenderListener;
  /** Those that wait for a request, in order. */
  readonly #queue = new Set<ImmediateEvent>();
  readonly #calls = new Set<ImmediateEvent>();
  /** Their events. */
  readonly #waiting = new EventCount();
  #groups = 0;
  #departure: Timer | null = null;

  constructor(
    options: ImmediateSenderOptions,
    send: SendBatch,
    messages: SenderMessages,
    listener: ImmediateSenderListener,
  ) {
    this.#options = options;
    this.#send = send;
    this.#messages = messages;
    this.#listener = listener;
  }

  /** The calls that wait for their answer. */
  get calls(): ReadonlySet<object> {
    return this.#calls;
  }

  /** Bytes of their events. */
  get bytes(): number {
    return this.#waiting.bytes;
  }

  /** When the oldest of them was captured, in epoch milliseconds; null when there is none. */
  get oldestCapturedAt(): number | null {
    for (const { event } of this.#calls) return event.capturedAt;
    return null;
  }

  /** Calls whose event is in a request. */
  get inFlight(): number {
    return this.#calls.size - this.#queue.size;
  }

  /** Resolves when PostHog has answered for the event, when retries or `timeoutMs` are used up, or when aborted. Never rejects. */
  send(event: QueuedEvent, { timeoutMs, signal }: ImmediateCall): Promise<ImmediateOutcome> {
    return new Promise((resolve) => {
      const fail = (reason: DropReason, message: string): void =>
        passenger.answer({ delivered: false, reason, message });
      const passenger: ImmediateEvent = {
        event,
        group: null,
        answer: (outcome) => {
          if (!this.#calls.delete(passenger)) return;
          this.#waiting.subtract(event);
          clearTimeout(deadline);
          signal?.removeEventListener('abort', onAbort);
          this.#leave(passenger);
          this.#listener.settled(passenger, event, outcome);
          resolve(outcome);
        },
      };
      const onAbort = (): void => fail('undelivered', this.#messages.aborted);
      const deadline = deadlineTimer(() => {
        const answered = passenger.group?.lastFailure;
        fail('undelivered', answered ? answered.message : this.#messages.timedOut(timeoutMs));
      }, timeoutMs);
      this.#calls.add(passenger);
      this.#waiting.add(event);
      this.#queue.add(passenger);
      this.#listener.queued(event);
      signal?.addEventListener('abort', onAbort, { once: true });
      if (signal?.aborted) onAbort();
      else this.#schedule();
    });
  }

  /** Ends every call that still waits. */
  close(): void {
    for (const passenger of [...this.#calls]) {
      passenger.answer({ delivered: false, reason: 'shutdown', message: 'Event dropped: shutdown' });
    }
    if (this.#departure) clearTimeout(this.#departure);
  }

  /** After the current turn, so that calls made together travel together. */
  #schedule(): void {
    if (this.#departure || this.#queue.size === 0 || this.#groups >= this.#options.concurrency) return;
    this.#departure = backgroundTimer(() => {
      this.#departure = null;
      while (this.#queue.size > 0 && this.#groups < this.#options.concurrency) void this.#travel(this.#board());
    }, 0);
  }

  #board(): Group {
    const { maxBatchEvents, maxBatchBytes } = this.#options;
    const group: Group = {
      passengers: new Set(),
      abort: new AbortController(),
      retries: new Sleepers(),
      lastFailure: null,
    };
    const ids = new Set<string>();
    let bytes = 0;
    for (const passenger of this.#queue) {
      const { event } = passenger;
      const full = ids.size >= maxBatchEvents || bytes + event.bytes > maxBatchBytes || ids.has(event.id);
      if (full && ids.size > 0) break;
      ids.add(event.id);
      bytes += event.bytes;
      passenger.group = group;
      group.passengers.add(passenger);
      this.#queue.delete(passenger);
    }
    return group;
  }

  async #travel(group: Group): Promise<void> {
    this.#groups += 1;
    const passengers = new Map([...group.passengers].map((passenger) => [passenger.event.id, passenger]));
    const isAwaited = ({ id }: QueuedEvent): boolean => passengers.get(id)?.group === group;
    const signal = group.abort.signal;
    const handBack = await deliverBatch(
      [...passengers.values()].map(({ event }) => event),
      {
        send: this.#send,
        messages: this.#messages,
        backoff: this.#options,
        maxRetries: () => this.#options.maxRetries,
        // Whoever waits is told of a refusal, and nothing is kept.
        refusals: { unproven: 0 },
        // Whoever was told that it failed must not find it stored later.
        wanted: isAwaited,
        signal,
        wait: async (ms, retryAfterMs = 0) => {
          const go = !signal.aborted && (await group.retries.sleep(Math.max(ms, retryAfterMs)));
          if (go) this.#listener.retried();
          return go;
        },
        answered: () => this.#listener.answered(),
        failed: (failure) => (group.lastFailure = failure),
        refusing: (failure) => this.#listener.refusing(failure),
        retrying: (events, delayMs, failure) => this.#listener.retrying(events.filter(isAwaited), delayMs, failure),
        delivered: (events, attempts, durationMs) => {
          const awaited = events.filter(isAwaited);
          for (const { id } of awaited) passengers.get(id)?.answer({ delivered: true });
          if (awaited.length > 0) this.#listener.delivered(awaited, attempts, durationMs);
        },
        dropped: ({ id }, reason, message) => passengers.get(id)?.answer({ delivered: false, reason, message }),
      },
    );
    for (const passenger of [...group.passengers]) {
      const message = (handBack?.failure ?? group.lastFailure)?.message ?? this.#messages.aborted;
      passenger.answer({ delivered: false, reason: 'undelivered', message });
    }
    this.#groups -= 1;
    this.#listener.returned();
    this.#schedule();
  }

  #leave(passenger: ImmediateEvent): void {
    const { group } = passenger;
    passenger.group = null;
    if (!group) {
      this.#queue.delete(passenger);
      return;
    }
    group.passengers.delete(passenger);
    // Nobody waits for the answer any more.
    if (group.passengers.size > 0) return;
    group.abort.abort();
    group.retries.wake(false);
  }
}
