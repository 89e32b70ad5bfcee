import { type QueuedEvent } from '../delivery/delivery.js';

/** Events that one statement inserts at most. */
export const MAX_EVENTS = 1000;
/** Bytes of payload after which a statement is sent. */
export const MAX_BYTES = 4 * 1024 * 1024;

/** What happens to the events of a transaction. */
export interface CollectionTarget {
  /** Identifies the transaction: a nested collection with the same one is part of this one. */
  readonly transaction: object;
  /** Events may be written while the work runs statements of its own. Default: they are written at its end, or by `writeAhead`. */
  readonly writesEarly?: boolean;
  /** Writes events in the transaction. If it rejects, the transaction must fail. Absent if the events are kept until its end. */
  readonly write?: (events: readonly QueuedEvent[]) => Promise<void>;
  /** The same, synchronously. Present if the work is synchronous. */
  readonly writeNow?: (events: readonly QueuedEvent[]) => void;
}

/** The events that were captured in one transaction. */
export class Collection {
  readonly target: CollectionTarget;
  readonly openedAt = performance.now();
  /** Waiting to be written, in the order of their capture. */
  waiting: QueuedEvent[] = [];
  /** Without their payloads, until the fate of the transaction is known. */
  readonly written: QueuedEvent[] = [];
  #bytes = 0;
  /** The statements before the last one. */
  #writing: Promise<void> | null = null;
  #failure: { readonly error: unknown } | null = null;

  constructor(target: CollectionTarget) {
    this.target = target;
  }

  /** True if its events are delivered as others are, after the transaction. */
  get isHeld(): boolean {
    return this.target.write === undefined && this.target.writeNow === undefined;
  }

  /** Of the events that are not written yet. */
  get bytes(): number {
    return this.#bytes;
  }

  get first(): QueuedEvent | undefined {
    return this.written[0] ?? this.waiting[0];
  }

  /** Number of events. */
  get size(): number {
    return this.waiting.length + this.written.length;
  }

  add(event: QueuedEvent): void {
    this.waiting.push(event);
    this.#bytes += event.bytes;
    if (this.target.writesEarly === true && this.#isFull) this.#write();
  }

  /** Writes the events if there are enough for a statement. Call while the work runs none of its own. Never rejects: `finish` does. */
  async writeAhead(): Promise<void> {
    if (this.#isFull) this.#write();
    await this.#writing;
  }

  /** Removes events that were not written yet. Returns those that it removed. */
  remove(events: ReadonlySet<QueuedEvent>): QueuedEvent[] {
    const removed = this.waiting.filter((event) => events.has(event));
    this.waiting = this.waiting.filter((event) => !events.has(event));
    for (const { bytes } of removed) this.#bytes -= bytes;
    return removed;
  }

  /** Writes what is left. Rejects with the error of the first statement that failed. */
  async finish(): Promise<void> {
    const { write } = this.target;
    if (this.#writing !== null) await this.#writing;
    this.#throwFailure();
    if (this.waiting.length === 0 || write === undefined) return;
    // Kept as they are: nothing is gained by copies without payloads that exist as long.
    const events = this.waiting;
    this.#take(events);
    for (const part of statementsOf(events)) await write(part);
  }

  /** `finish` of a synchronous transaction. */
  finishNow(): void {
    if (this.waiting.length > 0 && !this.isHeld) this.#write();
    this.#throwFailure();
  }

  /** Resolves when no statement is running. */
  async idle(): Promise<void> {
    await this.#writing;
  }

  /** Empties the collection. Returns all its events, of which the written ones have no payload. */
  clear(): QueuedEvent[] {
    const events = [...this.written, ...this.waiting];
    this.written.length = 0;
    this.waiting = [];
    this.#bytes = 0;
    return events;
  }

  get #isFull(): boolean {
    return this.waiting.length >= MAX_EVENTS || this.#bytes >= MAX_BYTES;
  }

  #take(written: readonly QueuedEvent[]): void {
    this.waiting = [];
    this.#bytes = 0;
    for (const event of written) this.written.push(event);
  }

  #write(): void {
    const events = this.waiting;
    this.#take(events.map(withoutPayload));
    const { write, writeNow } = this.target;
    if (writeNow === undefined) {
      this.#writing = Promise.resolve(this.#writing)
        .then(async () => {
          for (const part of statementsOf(events)) if (this.#failure === null) await write?.(part);
        })
        .catch((error: unknown) => this.#fail(error));
      return;
    }
    try {
      for (const part of statementsOf(events)) if (this.#failure === null) writeNow(part);
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
  }

  #throwFailure(): void {
    if (this.#failure) throw this.#failure.error;
  }
}

/** The events of each statement. */
function statementsOf(events: readonly QueuedEvent[]): readonly (readonly QueuedEvent[])[] {
  const parts: QueuedEvent[][] = [];
  let part: QueuedEvent[] = [];
  let bytes = 0;
  for (const event of events) {
    if (part.length === 0) parts.push(part);
    part.push(event);
    bytes += event.bytes;
    if (part.length < MAX_EVENTS && bytes < MAX_BYTES) continue;
    part = [];
    bytes = 0;
  }
  return parts;
}

function withoutPayload({ id, name, orderKey, format, capturedAt }: QueuedEvent): QueuedEvent {
  return { id, name, orderKey, format, capturedAt, payload: '', bytes: 0 };
}
