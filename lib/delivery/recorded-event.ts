import { type QueuedEvent } from './delivery.js';

/** Events that were written together. */
export interface EventRecord {
  /**
   * Contains the payloads in UTF-8, one after the other, with a comma between two of them. A character is a byte. Not a buffer, because
   * memory outside the heap makes V8 start full collections.
   */
  readonly text: string;
  readonly format: string;
  readonly haveOwnIds: boolean;
  /** @param payloadStart offset of the payload, as for `nameOf` */
  idOf(row: number, payloadStart: number): string;
  nameOf(row: number, payloadStart: number): string;
  capturedAtOf(row: number): number;
}

/**
 * An event that stays in the text of its block. A relay has thousands of events in memory, which survive young collections: copying the
 * strings of each would take longer than all other work on it.
 */
export class RecordedEvent implements QueuedEvent {
  /** @param start offset of the payload */
  constructor(
    readonly record: EventRecord,
    readonly row: number,
    readonly orderKey: string,
    readonly start: number,
    readonly bytes: number,
  ) {}

  get id(): string {
    return this.record.idOf(this.row, this.start);
  }

  get hasOwnId(): boolean {
    return this.record.haveOwnIds;
  }

  get name(): string {
    return this.record.nameOf(this.row, this.start);
  }

  get format(): string {
    return this.record.format;
  }

  get payload(): string {
    return utf8Of(this.record.text.slice(this.start, this.start + this.bytes));
  }

  get capturedAt(): number {
    return this.record.capturedAtOf(this.row);
  }
}

/** @param bytes a character for each byte */
export function utf8Of(bytes: string): string {
  return NOT_ASCII.test(bytes) ? Buffer.from(bytes, 'latin1').toString() : bytes;
}

const NOT_ASCII = /[^\0-\x7f]/;

/** Returns null unless all events are recorded. Events that follow each other in a record are copied together. */
export function recordedBody(head: string, events: readonly QueuedEvent[], tail: string): Buffer | null {
  let size = Buffer.byteLength(head) + Buffer.byteLength(tail) + Math.max(0, events.length - 1);
  for (const event of events) {
    if (!(event instanceof RecordedEvent)) return null;
    size += event.bytes;
  }
  const body = Buffer.allocUnsafe(size);
  let end = body.write(head);
  let first: RecordedEvent | null = null;
  let last: RecordedEvent | null = null;
  const copy = (): void => {
    if (first && last) end += body.write(first.record.text.slice(first.start, last.start + last.bytes), end, 'latin1');
  };
  for (const event of events as readonly RecordedEvent[]) {
    const isNext = last !== null && last.record === event.record && last.start + last.bytes + 1 === event.start;
    if (!isNext) {
      copy();
      if (last) end += body.write(',', end);
      first = event;
    }
    last = event;
  }
  copy();
  body.write(tail, end);
  return body;
}
