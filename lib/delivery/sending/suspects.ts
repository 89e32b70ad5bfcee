import { type DropReason, type QueuedEvent, type SendFailure } from '../delivery.js';

/** An event that gets no further. */
export interface DroppedEvent {
  readonly event: QueuedEvent;
  readonly reason: DropReason;
  readonly detail: string;
}

/** A refusal of one event sent alone. */
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
 * accepted, the refused events are at fault; if not, none is, and all are kept. This bounds what a receiver that refuses
 * everything costs; otherwise splitting a batch takes at most two requests per event.
 */
const MAX_UNPROVEN = 8;

/** The events of one batch that were refused alone. They are dropped only when they, and not the receiver, are at fault. */
export class Suspects {
  readonly #refusals: Refusals;
  #suspects: Suspect[] = [];

  constructor(refusals: Refusals) {
    this.#refusals = refusals;
  }

  add(suspect: Suspect): void {
    this.#suspects.push(suspect);
  }

  /** True when nothing shows any more that the events are at fault. */
  get tooMany(): boolean {
    return this.#refusals.unproven + this.#suspects.length > MAX_UNPROVEN;
  }

  /** The receiver accepted an event. Returns the events to drop. */
  accepted(): readonly DroppedEvent[] {
    this.#refusals.unproven = 0;
    return this.#suspects.length === 0 ? NONE : this.#convict();
  }

  /** The whole batch was sent. Returns the events to drop. */
  finished(): readonly DroppedEvent[] {
    this.#refusals.unproven += this.#suspects.length;
    return this.#convict();
  }

  /**
   * Takes an event out of the unsent parts: the newest that overtakes none of its key, or, if each does, the newest. Better out
   * of order than never.
   */
  takeWitness(parts: (readonly QueuedEvent[])[]): QueuedEvent | null {
    const seen = new Set(this.#suspects.map(({ event }) => event.orderKey));
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

  #convict(): readonly DroppedEvent[] {
    const suspects = this.#suspects;
    this.#suspects = [];
    return suspects.map(({ event, reason, failure }) => ({ event, reason, detail: failure.message }));
  }
}

const NONE: readonly DroppedEvent[] = [];
