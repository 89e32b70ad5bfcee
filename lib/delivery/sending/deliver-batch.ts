import { randomUUID } from 'node:crypto';
import { type BatchOutcome, type DropReason, type QueuedEvent, type Sender, type SendFailure } from '../delivery.js';
import { type Lease } from '../queue/lease.js';
import { needWitness, type Refusals, type Suspect, takeWitness } from './suspects.js';

/** The fates of the events of one attempt. */
export interface AttemptResult {
  readonly delivered: readonly QueuedEvent[];
  readonly dropped: readonly DroppedEvent[];
  /** Events to be sent again, because of `failure`. */
  readonly left: readonly QueuedEvent[];
  /** null while all is well. */
  readonly failure: SendFailure | null;
  readonly retryAfterMs?: number;
  /** The receiver decided about the events: it is reachable and accepts the key. */
  readonly answered: boolean;
  /** 1, 2, 3 … per batch id. */
  readonly number: number;
  /** Milliseconds since the first attempt. */
  readonly durationMs: number;
}

export interface DroppedEvent {
  readonly event: QueuedEvent;
  readonly reason: DropReason;
  readonly detail: string;
}

/** A sender, perhaps wrapped to count requests. Its connections are released elsewhere. */
export interface WrappedSender extends Omit<Sender, 'release'> {
  /** Returns a promise if events must not be sent yet. It resolves with the reason if they still must not. Default: they may. */
  mayLeave?(events: readonly QueuedEvent[]): Promise<SendFailure | null> | null;
}

/** Events that were refused together: split, or, if it is one, suspected. */
interface Refused {
  readonly events: readonly QueuedEvent[];
  readonly reason: DropReason;
  readonly failure: SendFailure;
}

type Fates = Omit<AttemptResult, 'number' | 'durationMs'>;

const NO_EVENTS: readonly never[] = [];
const NO_FATES: AttemptResult = Object.freeze({
  delivered: NO_EVENTS,
  dropped: NO_EVENTS,
  left: NO_EVENTS,
  failure: null,
  answered: false,
  number: 0,
  durationMs: 0,
});

/**
 * Sends the events of a lease until each has its fate, splitting what is too large or contains an event at fault. Iterate: each
 * attempt that decided about events, or failed, yields their fates. Settle them, then wait before the next attempt, or stop and
 * keep what is not settled. Ends early when `signal` aborts.
 */
export async function* deliverBatch(
  lease: Lease,
  sender: WrappedSender,
  refusals: Refusals,
  signal: AbortSignal,
): AsyncGenerator<AttemptResult, void, void> {
  const batch = new BatchDelivery(lease, sender, refusals, signal);
  const parts: (readonly QueuedEvent[])[] = [lease.open];
  for (let part = parts.pop(); part; part = parts.pop()) {
    const refused = yield* batch.deliver(part);
    if (batch.isAborted()) return;
    if (refused === null) continue;
    const { events, reason, failure } = refused;
    const [event] = events;
    if (!event || events.length > 1) {
      // The first half goes first, and the second only after it: the events of one key stay in order.
      const middle = Math.ceil(events.length / 2);
      parts.push(events.slice(middle), events.slice(0, middle));
      continue;
    }
    batch.suspects.push({ event, reason, failure });
    if (!needWitness(batch.suspects, refusals)) continue;
    const witness = takeWitness(parts, batch.suspects);
    const isAccepted = witness !== null && (yield* batch.deliver([witness])) === null;
    if (batch.isAborted()) return;
    if (isAccepted) continue;
    const remedy = sender.messages.refusesEveryEvent;
    yield { ...NO_FATES, left: lease.open, failure: { message: failure.message, remedy, refusesAll: true } };
    return;
  }
  refusals.unproven += batch.suspects.length;
  if (batch.suspects.length > 0) yield { ...NO_FATES, dropped: batch.convict() };
}

class BatchDelivery {
  /** Events that were refused alone. They are dropped once it is clear that they, and not the receiver, are at fault. */
  readonly suspects: Suspect[] = [];
  readonly #lease: Lease;
  readonly #sender: WrappedSender;
  readonly #refusals: Refusals;
  readonly #signal: AbortSignal;

  constructor(lease: Lease, sender: WrappedSender, refusals: Refusals, signal: AbortSignal) {
    this.#lease = lease;
    this.#sender = sender;
    this.#refusals = refusals;
    this.#signal = signal;
  }

  /** Returns null when all events have their fate, or nobody wants them any more. */
  async *deliver(part: readonly QueuedEvent[]): AsyncGenerator<AttemptResult, Refused | null, void> {
    const id = randomUUID();
    const createdAt = Date.now();
    const startedAt = performance.now();
    const signal = this.#signal;
    let events = this.#lease.wanted(part);
    let repetitions = 0;
    for (let number = 1; events.length > 0; number += 1) {
      const waiting = this.#sender.mayLeave?.(events);
      const obstacle = waiting ? await unlessAborted(waiting, signal) : null;
      if (waiting && signal.aborted) break;
      // Another process may have taken some over.
      if (waiting) events = this.#lease.wanted(events);
      if (events.length === 0) break;
      const attempt = { number: number + repetitions, signal };
      const outcome = obstacle
        ? { kind: 'retryable' as const, failure: obstacle }
        : await this.#sender.send({ id, createdAt, format: events[0]?.format ?? '', events }, attempt);
      if (outcome.isRepeated) repetitions += 1;
      if (outcome.kind === 'tooLarge') return { events, reason: 'too_large', failure: outcome.failure };
      if (outcome.kind === 'rejected') return { events, reason: 'rejected', failure: outcome.failure };
      const fates = this.#fatesOf(events, outcome);
      // A failure that we caused ourselves says nothing about the receiver.
      const ours = signal.aborted ? { left: NO_EVENTS, failure: null } : undefined;
      yield { ...fates, ...ours, number, durationMs: Math.round(performance.now() - startedAt) };
      if (fates.left.length === 0 || signal.aborted) break;
      events = this.#lease.wanted(fates.left);
    }
    return null;
  }

  /** A method, as the compiler takes a property for constant. */
  isAborted(): boolean {
    return this.#signal.aborted;
  }

  convict(): readonly DroppedEvent[] {
    return this.suspects.splice(0).map(({ event, reason, failure }) => ({ event, reason, detail: failure.message }));
  }

  #fatesOf(events: readonly QueuedEvent[], outcome: Exclude<BatchOutcome, { kind: 'tooLarge' | 'rejected' }>): Fates {
    switch (outcome.kind) {
      case 'settled':
        return this.#settledFates(events, outcome);
      case 'retryable': {
        const { failure, retryAfterMs } = outcome;
        return { ...NO_FATES, left: events, failure, retryAfterMs };
      }
      case 'quota': {
        const failure: SendFailure = { ...outcome.failure, refusesAll: true };
        const drops = events.map((event): DroppedEvent => ({ event, reason: 'quota', detail: failure.message }));
        return { ...NO_FATES, dropped: [...this.#acceptedDrops(), ...drops], failure, answered: true };
      }
      case 'refused':
        return { ...NO_FATES, left: events, failure: { ...outcome.failure, refusesAll: true } };
    }
  }

  #settledFates(
    events: readonly QueuedEvent[],
    { rejected, retry, retryAfterMs, failure: reason }: Extract<BatchOutcome, { kind: 'settled' }>,
  ): Fates {
    // Nothing but "again" does not show that the receiver accepts events.
    const answered = retry.length < events.length;
    const suspects = answered ? this.#acceptedDrops() : NO_EVENTS;
    if (rejected.length === 0 && retry.length === 0) {
      return { ...NO_FATES, delivered: events, dropped: suspects, answered };
    }
    const dropped = [...suspects];
    const details = new Map(rejected.map(({ id, detail }) => [id, detail]));
    const again = new Set(retry);
    const delivered: QueuedEvent[] = [];
    const left: QueuedEvent[] = [];
    for (const event of events) {
      const detail = details.get(event.id);
      if (detail !== undefined) dropped.push({ event, reason: 'rejected', detail });
      else if (again.has(event.id)) left.push(event);
      else delivered.push(event);
    }
    const failure = left.length > 0 ? (reason ?? this.#sender.messages.askedAgain) : null;
    return { delivered, dropped, left, failure, retryAfterMs, answered };
  }

  /** The receiver accepts events: the suspects are at fault. */
  #acceptedDrops(): readonly DroppedEvent[] {
    this.#refusals.unproven = 0;
    return this.suspects.length === 0 ? NO_EVENTS : this.convict();
  }
}

/** Resolves like the promise, or with null once the signal aborts. */
function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T | null> {
  if (signal.aborted) return Promise.resolve(null);
  return new Promise((resolve) => {
    const onAbort = (): void => resolve(null);
    signal.addEventListener('abort', onAbort, { once: true });
    void promise.then((result) => {
      signal.removeEventListener('abort', onAbort);
      resolve(result);
    });
  });
}
