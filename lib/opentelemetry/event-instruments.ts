import { type Attributes } from '@opentelemetry/api';
import { type EventStats } from '../capture/event-stats.js';
import { type Instrument } from './instruments.js';

export const EVENT_INSTRUMENTS: Readonly<Record<string, Instrument<readonly EventStats[]>>> = {
  'posthog.capture.by_event.captured': {
    kind: 'counter',
    unit: '{event}',
    description: 'Capture calls by event, including those whose event was dropped immediately',
    read: byEvent(({ captured }) => captured),
  },
  'posthog.capture.by_event.dropped': {
    kind: 'counter',
    unit: '{event}',
    description: 'Events dropped, by event and reason',
    read: (events) =>
      events.flatMap((stats) =>
        Object.entries(stats.droppedByReason).map(
          ([reason, count]) => [count, { ...nameOf(stats), 'posthog.capture.drop.reason': reason }] as const,
        ),
      ),
  },
  'posthog.capture.by_event.size': {
    kind: 'counter',
    unit: 'By',
    description: 'Size of the events as JSON, by event',
    read: byEvent(({ bytes }) => bytes),
  },
  'posthog.capture.by_event.personless': {
    kind: 'counter',
    unit: '{event}',
    description: 'Events without a person profile, by event',
    read: byEvent(({ personless }) => personless),
  },
};

function nameOf({ event }: EventStats): Attributes {
  return { 'posthog.capture.event.name': event };
}

function byEvent(read: (stats: EventStats) => number) {
  return (events: readonly EventStats[]) => events.map((stats) => [read(stats), nameOf(stats)] as const);
}
