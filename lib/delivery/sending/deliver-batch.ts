import { randomUUID } from 'node:crypto';
import { type BatchOutcome, type DropReason, type QueuedEvent, type Sender, type SendFailure } from '../delivery.js';
import { type Lease } from '../queue/lease.js';
import { type DroppedEvent, type Refusals, Suspects } from './suspects.js';

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

/** A whole part of a batch was refused: it is split, or, if it is one event, suspected. */
interface Refused {
  readonly events: readonly QueuedEvent[];
  readonly reason: DropReason;
  readonly failure: SendFailure;
}

/** A sender, perhaps behind others that count requests or wait for the store. */
export type Transport = Pick<Sender, 'send' | 'messages'>;

interface Context {
  readonly lease: Lease;
  readonly transport: Transport;
  readonly suspects: Suspects;
  readonly signal: AbortSignal;
}

const NO_EVENTS: readonly never[] = [];

/**
 * Sends the events of a lease until each has its fate, splitting what is too large or contains an event at fault. Yields after
 * every attempt that decided about events or failed; whoever iterates settles the fates, waits before the next attempt, or
 * stops, and then keeps what is not settled. Ends early when `signal` aborts.
 */
export async function* deliverBatch(
  lease: Lease,
  transport: Transport,
  refusals: Refusals,
  signal: AbortSignal,
): AsyncGenerator<AttemptResult, void, void> {
  const suspects = new Suspects(refusals);
  const context = { lease, transport, suspects, signal };
  const parts: (readonly QueuedEvent[])[] = [lease.open];
  for (let part = parts.pop(); part; part = parts.pop()) {
    const refused = yield* deliverPart(part, context);
    if (signal.aborted) return;
    if (refused === null) continue;
    const { events, reason, failure } = refused;
    const [event] = events;
    if (!event || events.length > 1) {
      // The first half goes first, and the second only after it: the events of one key stay in order.
      const middle = Math.ceil(events.length / 2);
      parts.push(events.slice(middle), events.slice(0, middle));
      continue;
    }
    suspects.add({ event, reason, failure });
    if (!suspects.tooMany) continue;
    const witness = suspects.takeWitness(parts);
    if (witness && (yield* deliverPart([witness], context)) === null) continue;
    const remedy = transport.messages.refusesEveryEvent;
    yield { ...NO_FATES, left: lease.open, failure: { message: failure.message, remedy, refusesAll: true } };
    return;
  }
  const dropped = suspects.finished();
  if (dropped.length > 0) yield { ...NO_FATES, dropped };
}

/** Returns null when all events have their fate or nobody wants them any more. */
async function* deliverPart(
  part: readonly QueuedEvent[],
  { lease, transport, suspects, signal }: Context,
): AsyncGenerator<AttemptResult, Refused | null, void> {
  const id = randomUUID();
  const createdAt = Date.now();
  const startedAt = performance.now();
  let events = lease.wanted(part);
  for (let number = 1; events.length > 0; number += 1) {
    const format = events[0]?.format ?? '';
    const outcome = await transport.send({ id, createdAt, format, events }, { number, signal });
    if (outcome.kind === 'tooLarge') return { events, reason: 'too_large', failure: outcome.failure };
    if (outcome.kind === 'rejected') return { events, reason: 'rejected', failure: outcome.failure };
    const fates = fatesOf(events, outcome, transport, suspects);
    // A failure that we caused says nothing about the receiver.
    const ours = signal.aborted ? { left: NO_EVENTS, failure: null } : undefined;
    yield { ...fates, ...ours, number, durationMs: Math.round(performance.now() - startedAt) };
    events = signal.aborted ? NO_EVENTS : lease.wanted(fates.left);
  }
  return null;
}

type Fates = Omit<AttemptResult, 'number' | 'durationMs'>;

const NO_FATES: AttemptResult = Object.freeze({
  delivered: NO_EVENTS,
  dropped: NO_EVENTS,
  left: NO_EVENTS,
  failure: null,
  answered: false,
  number: 0,
  durationMs: 0,
});

function fatesOf(
  events: readonly QueuedEvent[],
  outcome: Exclude<BatchOutcome, { kind: 'tooLarge' | 'rejected' }>,
  { messages }: Transport,
  suspects: Suspects,
): Fates {
  switch (outcome.kind) {
    case 'settled':
      return settledFates(events, outcome, messages.askedAgain, suspects);
    case 'retryable': {
      const { failure, retryAfterMs } = outcome;
      return { ...NO_FATES, left: events, failure, retryAfterMs };
    }
    case 'quota': {
      const failure: SendFailure = { ...outcome.failure, refusesAll: true };
      const drops = events.map((event): DroppedEvent => ({ event, reason: 'quota', detail: failure.message }));
      return { ...NO_FATES, dropped: [...suspects.accepted(), ...drops], failure, answered: true };
    }
    case 'refused':
      return { ...NO_FATES, left: events, failure: { ...outcome.failure, refusesAll: true } };
  }
}

function settledFates(
  events: readonly QueuedEvent[],
  { rejected, retry, retryAfterMs }: Extract<BatchOutcome, { kind: 'settled' }>,
  askedAgain: SendFailure,
  suspects: Suspects,
): Fates {
  if (rejected.length === 0 && retry.length === 0) {
    return { ...NO_FATES, delivered: events, dropped: suspects.accepted(), answered: true };
  }
  // Nothing but "again" does not show that it accepts events.
  const answered = retry.length < events.length;
  const dropped = [...(answered ? suspects.accepted() : NO_EVENTS)];
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
  return { delivered, dropped, left, failure: left.length > 0 ? askedAgain : null, retryAfterMs, answered };
}
