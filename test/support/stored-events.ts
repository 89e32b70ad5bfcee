import { expect } from '@jest/globals';
import { type QueuedEvent } from 'nestjs-posthog-capture';
import { RecordedEvent } from '../../lib/delivery/recorded-event.js';

// Events are equal if their fields are, also if these are getters.
expect.addEqualityTesters([
  function (a, b) {
    if (!(a instanceof RecordedEvent) && !(b instanceof RecordedEvent)) return undefined;
    return this.equals(fieldsOf(a), fieldsOf(b));
  },
]);

/** An event as a store gets it. */
export function eventOf(index: number, size = 600): QueuedEvent {
  const payload = JSON.stringify({ event: `event_${index}`, text: 'x'.repeat(size) });
  return {
    id: `id_${index}`,
    name: `event_${index}`,
    orderKey: `person_${index % 3}`,
    format: 'v0',
    payload,
    bytes: Buffer.byteLength(payload),
    capturedAt: 1_700_000_000_000 + index,
  };
}

export const manyEvents = (count: number, from = 0, size?: number): QueuedEvent[] =>
  Array.from({ length: count }, (_, index) => eventOf(from + index, size));

export const idsOf = (events: readonly QueuedEvent[]): string[] => events.map(({ id }) => id);

function fieldsOf(event: unknown): unknown {
  if (typeof event !== 'object' || event === null) return event;
  const { id, name, orderKey, format, payload, bytes, capturedAt } = event as QueuedEvent;
  return { id, name, orderKey, format, payload, bytes, capturedAt };
}
