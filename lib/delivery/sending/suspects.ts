import { type DropReason, type QueuedEvent, type SendFailure } from '../delivery.js';

/** An event that was refused when it was sent alone. */
export interface Suspect {
  readonly event: QueuedEvent;
  readonly reason: DropReason;
  readonly failure: SendFailure;
}

/** Shared by all batches to one receiver. */
export interface Refusals {
  /** Events dropped as refused since the receiver last accepted one. */
  unproven: number;
}

/**
 * Up to this many events are dropped as refused while the receiver accepts none. For one more, a witness is sent: if it is
 * accepted, the suspects are at fault; if not, none is, and all are kept. This bounds the cost of a receiver that refuses
 * everything; otherwise splitting a batch takes at most two requests per event.
 */
const MAX_UNPROVEN = 8;

export function needWitness(suspects: readonly Suspect[], { unproven }: Refusals): boolean {
  return unproven + suspects.length > MAX_UNPROVEN;
}

/**
 * Takes an event out of the unsent parts: the newest that overtakes none of its key, or, if each does, the newest. Better out of
 * order than never.
 */
export function takeWitness(parts: (readonly QueuedEvent[])[], suspects: readonly Suspect[]): QueuedEvent | null {
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
