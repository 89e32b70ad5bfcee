import { type QueuedEvent } from 'nestjs-posthog-capture';

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
