import {
  type DropReason,
  type ImmediateCall,
  type ImmediateOutcome,
  type QueuedEvent,
  type SendFailure,
} from '../delivery.js';
import { type WaitingCall } from '../ledger.js';
import { type LeaseLimits } from '../queue/event-queue.js';
import { type Lease } from '../queue/lease.js';
import { type Settlement } from '../settlement.js';
import { backgroundTimer, isRunning, Sleepers, startDeadline, stopTimer, type Timer } from '../timers.js';
import { deliverBatch, type WrappedSender } from './deliver-batch.js';
import { retryDelayMs, type RetryPolicy } from './retry-policy.js';

export interface ImmediateSenderOptions extends LeaseLimits, RetryPolicy {
  /** Requests in flight at once. */
  readonly concurrency: number;
}

export interface ImmediateSenderCallbacks {
  /** The receiver answered: it is reachable and accepts the key. */
  onAnswer(): void;
  /** A request is over. */
  onReturn(): void;
  /** The size of requests that is accepted. */
  maxBatchBytes(): number;
}

interface Call extends WaitingCall {
  readonly event: QueuedEvent;
  /** The request that carries it; null before. */
  lease: ImmediateLease | null;
}

/** Calls that share a request. A caller that gives up takes its event out. */
class ImmediateLease implements Lease {
  readonly abort = new AbortController();
  readonly retries = new Sleepers();
  lastFailure: SendFailure | null = null;
  readonly #calls = new Map<string, Call>();
  readonly #onAck: (call: Call) => void;

  /** @param onAck called with each call whose event is acknowledged */
  constructor(onAck: (call: Call) => void) {
    this.#onAck = onAck;
  }

  get calls(): readonly Call[] {
    return [...this.#calls.values()];
  }

  get size(): number {
    return this.#calls.size;
  }

  get open(): readonly QueuedEvent[] {
    return this.calls.map(({ event }) => event);
  }

  wanted(events: readonly QueuedEvent[]): readonly QueuedEvent[] {
    return events.filter(({ id }) => this.#calls.has(id));
  }

  holds({ event }: Call): boolean {
    return this.#calls.has(event.id);
  }

  add(call: Call): void {
    call.lease = this;
    this.#calls.set(call.event.id, call);
  }

  ack({ id }: QueuedEvent): Call | null {
    const call = this.#calls.get(id) ?? null;
    this.#calls.delete(id);
    if (call) this.#onAck(call);
    // No caller waits for the response any more.
    if (this.#calls.size === 0) {
      this.abort.abort();
      this.retries.wake(false);
    }
    return call;
  }
}

/**
 * Sends events whose callers wait, ahead of the queue and whatever its state. Calls made together share a request; at most
 * `concurrency` requests are in flight. An event that fails is not kept.
 */
export class ImmediateSender {
  readonly #options: ImmediateSenderOptions;
  readonly #sender: WrappedSender;
  readonly #settlement: Settlement;
  readonly #callbacks: ImmediateSenderCallbacks;
  readonly #calls = new Set<Call>();
  /** Calls that wait for a request, in order. */
  readonly #queue = new Set<Call>();
  #requests = 0;
  #timer: Timer | null = null;

  constructor(
    options: ImmediateSenderOptions,
    sender: WrappedSender,
    settlement: Settlement,
    callbacks: ImmediateSenderCallbacks,
  ) {
    this.#options = options;
    this.#sender = sender;
    this.#settlement = settlement;
    this.#callbacks = callbacks;
  }

  /** All calls that wait for their result. */
  get calls(): ReadonlySet<WaitingCall> {
    return this.#calls;
  }

  /** Their events. */
  get events(): readonly QueuedEvent[] {
    return Array.from(this.#calls, ({ event }) => event);
  }

  /** Capture time of the oldest of their events, in epoch milliseconds; null when there is none. */
  get oldestCapturedAt(): number | null {
    for (const { event } of this.#calls) return event.capturedAt;
    return null;
  }

  /** Number of events in requests. */
  get inFlight(): number {
    return this.#calls.size - this.#queue.size;
  }

  /** Resolves when the event has its fate, when retries or `timeoutMs` are used up, or when aborted. Never rejects. */
  send(event: QueuedEvent, { timeoutMs, signal }: ImmediateCall): Promise<ImmediateOutcome> {
    const { messages } = this.#sender;
    return new Promise((resolve) => {
      const call: Call = {
        event,
        lease: null,
        answer: (outcome) => {
          cancelDeadline();
          signal?.removeEventListener('abort', onAbort);
          resolve(outcome);
        },
      };
      const onAbort = (): void => this.#drop(call, 'undelivered', messages.aborted);
      const cancelDeadline = startDeadline(() => {
        this.#drop(call, 'undelivered', call.lease?.lastFailure?.message ?? messages.timedOut(timeoutMs));
      }, timeoutMs);
      this.#calls.add(call);
      this.#queue.add(call);
      this.#settlement.ledger.pending.add(event);
      this.#settlement.observer.queued(event);
      signal?.addEventListener('abort', onAbort, { once: true });
      if (signal?.aborted) onAbort();
      else this.#schedule();
    });
  }

  /** Drops the events of all waiting calls. */
  close(): void {
    for (const call of [...this.#calls]) this.#drop(call, 'shutdown', 'Event dropped: shutdown');
    stopTimer(this.#timer);
  }

  /** After the current turn, so that calls made together share a request. */
  #schedule(): void {
    if (isRunning(this.#timer) || !this.#maySend) return;
    stopTimer(this.#timer);
    this.#timer = backgroundTimer(() => {
      this.#timer = null;
      while (this.#maySend) void this.#deliver(this.#lease());
    }, 0);
  }

  get #maySend(): boolean {
    return this.#queue.size > 0 && this.#requests < this.#options.concurrency;
  }

  #lease(): ImmediateLease {
    const { maxBatchEvents } = this.#options;
    const maxBatchBytes = this.#callbacks.maxBatchBytes();
    const lease = new ImmediateLease((call) => void this.#calls.delete(call));
    let bytes = 0;
    for (const call of this.#queue) {
      const { event } = call;
      const isFull = lease.size >= maxBatchEvents || bytes + event.bytes > maxBatchBytes || lease.holds(call);
      if (isFull && lease.size > 0) break;
      bytes += event.bytes;
      lease.add(call);
      this.#queue.delete(call);
    }
    return lease;
  }

  async #deliver(lease: ImmediateLease): Promise<void> {
    this.#requests += 1;
    // With its own count of refusals: each caller gets its error, and nothing is kept.
    for await (const attempt of deliverBatch(lease, this.#sender, { unproven: 0 }, lease.abort.signal)) {
      if (attempt.answered) this.#callbacks.onAnswer();
      this.#settlement.settle(lease, attempt);
      const left = lease.wanted(attempt.left);
      const { failure, retryAfterMs = 0 } = attempt;
      if (failure === null || left.length === 0) continue;
      lease.lastFailure = failure;
      const backoffMs = retryDelayMs(attempt, this.#options);
      if (backoffMs === null) break;
      const delayMs = Math.max(backoffMs, retryAfterMs);
      this.#settlement.observer.retrying(left, delayMs, failure);
      if (!(await lease.retries.sleep(delayMs))) break;
    }
    const message = lease.lastFailure?.message ?? this.#sender.messages.aborted;
    for (const call of lease.calls) this.#drop(call, 'undelivered', message);
    this.#requests -= 1;
    this.#callbacks.onReturn();
    this.#schedule();
  }

  #drop(call: Call, reason: DropReason, message: string): void {
    if (!this.#calls.delete(call)) return;
    this.#queue.delete(call);
    call.lease?.ack(call.event);
    this.#settlement.drop(call.event, call, reason, message);
  }
}
