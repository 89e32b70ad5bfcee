import { randomUUID } from 'node:crypto';
import { backoffMs, type BackoffOptions } from './retry-policy.js';
import {
  type Batch,
  type BatchOutcome,
  type DropReason,
  type QueuedEvent,
  type SendBatch,
  type SenderMessages,
  type SendFailure,
} from '../delivery.js';

/** How often and how long one batch is tried. */
export interface RetryPolicy extends BackoffOptions {
  /** Attempts after the first. */
  readonly maxRetries: number;
}

/** What a courier needs from whoever sends it. */
export interface DeliveryRoute {
  readonly send: SendBatch;
  readonly messages: SenderMessages;
  readonly backoff: BackoffOptions;
  /** What is known of refusals; shared by all that goes to one receiver. */
  readonly refusals: Refusals;
  /** Attempts after the first, as things stand now. */
  maxRetries(): number;
  /** Whether anybody still wants the event sent. Asked before each attempt. Default: always. */
  wanted?(event: QueuedEvent): boolean;
  readonly signal: AbortSignal;
  /** Waits before the next attempt. Resolves with false when there shall be none. */
  wait(ms: number, retryAfterMs: number | undefined): Promise<boolean>;
  /** The receiver took a decision about the events: it is reachable and takes our key. */
  answered(): void;
  /** An attempt failed and may be followed by another. */
  failed(failure: SendFailure): void;
  /** These wait so long for their next attempt. */
  retrying(events: readonly QueuedEvent[], delayMs: number, failure: SendFailure): void;
  delivered(events: readonly QueuedEvent[], attempts: number, durationMs: number): void;
  /** The receiver answers, and takes nothing: what is sent next fares no better. */
  refusing(failure: SendFailure): void;
  dropped(event: QueuedEvent, reason: DropReason, detail: string): void;
}

/** Called with the results of requests. Must not throw. */
export interface TravelListener {
  /** One request delivered these; each was settled before. */
  delivered(events: readonly QueuedEvent[], attempts: number, durationMs: number): void;
  refusing(failure: SendFailure): void;
  retried(): void;
  retrying(events: readonly QueuedEvent[], delayMs: number | null, failure: SendFailure): void;
  /** A request is over, whatever its outcome. */
  returned(): void;
}

/** Why events come back undelivered. */
export interface HandBack {
  readonly failure: SendFailure;
  /** The receiver asked for a longer pause than a retry may wait. */
  readonly retryAfterMs?: number;
}

/** Whether a refused event is to blame, or a receiver that refuses everything. */
export interface Refusals {
  /** Events dropped as refused since the receiver last accepted one. */
  unproven: number;
}

/**
 * So many events may be dropped as refused while the receiver accepts none. When there are more, another event is asked:
 * if it is accepted, the refused ones are to blame; if not, none is, and all are kept. It bounds what a receiver that
 * refuses everything is sent and costs; otherwise taking a batch apart takes at most two requests per event.
 */
const MAX_UNPROVEN = 8;

/** What one batch came to: done, to be taken apart, or handed back. */
type Attempted = 'done' | Halve | HandBack;

/** The events that are left are too many, or one of them is poisoned. */
interface Halve {
  readonly halve: readonly QueuedEvent[];
  readonly failure: SendFailure;
  readonly reason: DropReason;
}

/**
 * Carries events to an answer: retries with backoff what may go again, halves what is too large or holds a poisoned
 * event, and reports the fate of each event exactly once.
 *
 * @returns null when every event was reported, or why the unreported ones come back
 */
export async function deliverBatch(events: readonly QueuedEvent[], route: DeliveryRoute): Promise<HandBack | null> {
  const parts: (readonly QueuedEvent[])[] = [events];
  let suspects: Suspect[] = [];
  const convict = (): void => {
    for (const { event, reason, failure } of suspects) route.dropped(event, reason, failure.message);
    suspects = [];
  };
  const accepted = (): void => {
    convict();
    route.refusals.unproven = 0;
  };
  for (let part = parts.pop(); part; part = parts.pop()) {
    const result = await deliverPart(part, route, accepted);
    if (result === 'done') continue;
    if (!('halve' in result)) return result;
    const { halve, failure, reason } = result;
    const [only] = halve;
    if (!only || halve.length > 1) {
      // The first half goes first, and the second only after it: one key's events stay in order.
      const middle = Math.ceil(halve.length / 2);
      parts.push(halve.slice(middle), halve.slice(0, middle));
      continue;
    }
    suspects.push({ event: only, failure, reason });
    if (route.refusals.unproven + suspects.length <= MAX_UNPROVEN) continue;
    const witness = takeWitness(parts, suspects);
    const said = witness ? await deliverPart([witness], route, accepted) : null;
    if (said === 'done') continue;
    if (said && !('halve' in said)) return said;
    return { failure: { message: failure.message, remedy: route.messages.refusesEveryEvent, refusesAll: true } };
  }
  route.refusals.unproven += suspects.length;
  convict();
  return null;
}

/** An event that was refused alone. */
interface Suspect {
  readonly event: QueuedEvent;
  readonly failure: SendFailure;
  readonly reason: DropReason;
}

/**
 * Takes out of what is still to go the newest event that overtakes none of its key; if each would, the newest: better out of
 * order than never.
 */
function takeWitness(parts: (readonly QueuedEvent[])[], suspects: readonly Suspect[]): QueuedEvent | null {
  const seen = new Set(suspects.map(({ event }) => event.orderKey));
  const events = parts.toReversed().flat();
  let witness = events.at(-1) ?? null;
  for (const event of events) {
    if (!seen.has(event.orderKey)) witness = event;
    seen.add(event.orderKey);
  }
  const left = parts.map((part) => part.filter((event) => event !== witness));
  parts.splice(0, parts.length, ...left.filter((part) => part.length > 0));
  return witness;
}

async function deliverPart(
  part: readonly QueuedEvent[],
  route: DeliveryRoute,
  accepted: () => void,
): Promise<Attempted> {
  const events = stillWanted(part, route);
  // Whoever waited may have gone while another part was on its way.
  if (events.length === 0) return 'done';
  const { backoff, signal } = route;
  const createdAt = Date.now();
  const startedAt = performance.now();
  const id = randomUUID();
  const format = events[0]?.format ?? '';
  let batch: Batch = { id, createdAt, format, events };
  for (let attempt = 1; ; attempt += 1) {
    const outcome = await route.send(batch, { number: attempt, signal });
    let failure: SendFailure;
    switch (outcome.kind) {
      case 'settled': {
        // Nothing but "again" is no sign that it takes events.
        if (outcome.retry.length < batch.events.length) {
          accepted();
          route.answered();
        }
        const left = reportSettled(batch.events, outcome, attempt, startedAt, route);
        if (left.length === 0) return 'done';
        batch = { id, createdAt, format, events: left };
        failure = route.messages.askedAgain;
        break;
      }
      case 'retryable':
        failure = outcome.failure;
        break;
      case 'tooLarge':
        return { halve: batch.events, failure: outcome.failure, reason: 'too_large' };
      case 'rejected':
        return { halve: batch.events, failure: outcome.failure, reason: 'rejected' };
      case 'quota':
        accepted();
        route.answered();
        route.refusing({ ...outcome.failure, refusesAll: true });
        for (const event of batch.events) route.dropped(event, 'quota', outcome.failure.message);
        return 'done';
      case 'refused':
        failure = { ...outcome.failure, refusesAll: true };
        route.failed(failure);
        route.refusing(failure);
        return { failure };
    }
    // What we cut short ourselves says nothing of the receiver.
    if (signal.aborted) return { failure };
    route.failed(failure);
    const { retryAfterMs } = outcome;
    if (attempt > route.maxRetries()) return { failure, retryAfterMs };
    if (retryAfterMs !== undefined && retryAfterMs > backoff.retryMaxMs) return { failure, retryAfterMs };
    const delayMs = backoffMs(attempt, backoff);
    route.retrying(batch.events, Math.max(delayMs, retryAfterMs ?? 0), failure);
    if (!(await route.wait(delayMs, retryAfterMs))) return { failure };
    batch = { ...batch, events: stillWanted(batch.events, route) };
    if (batch.events.length === 0) return 'done';
  }
}

function stillWanted(events: readonly QueuedEvent[], route: DeliveryRoute): readonly QueuedEvent[] {
  return route.wanted ? events.filter((event) => route.wanted?.(event)) : events;
}

/** Reports the fate of a settled batch's events. Returns those that go again. */
function reportSettled(
  events: readonly QueuedEvent[],
  { rejected, retry }: Extract<BatchOutcome, { kind: 'settled' }>,
  attempts: number,
  startedAt: number,
  route: DeliveryRoute,
): readonly QueuedEvent[] {
  const durationMs = Math.round(performance.now() - startedAt);
  if (rejected.length === 0 && retry.length === 0) {
    route.delivered(events, attempts, durationMs);
    return [];
  }
  const refusals = new Map(rejected.map(({ id, detail }) => [id, detail]));
  const again = new Set(retry);
  const delivered = events.filter(({ id }) => !refusals.has(id) && !again.has(id));
  if (delivered.length > 0) route.delivered(delivered, attempts, durationMs);
  for (const event of events) {
    const detail = refusals.get(event.id);
    if (detail !== undefined) route.dropped(event, 'rejected', detail);
  }
  return events.filter(({ id }) => again.has(id) && !refusals.has(id));
}
