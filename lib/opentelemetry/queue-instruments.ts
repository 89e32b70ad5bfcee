import { type QueueStats } from '../queue/queue-monitor.js';
import { type Instrument } from './instruments.js';

/** Gauges: each process reports the same queue, so a sum would be wrong. */
export const QUEUE_INSTRUMENTS: Readonly<Record<string, Instrument<QueueStats>>> = {
  'posthog.capture.relay.lag': {
    kind: 'gauge',
    unit: 's',
    description: 'Age of the oldest event in the shared queue, or 0 if it is empty',
    read: ({ oldestMs }) => oldestMs && oldestMs / 1000,
  },
  'posthog.capture.relay.events': {
    kind: 'gauge',
    unit: '{event}',
    description: 'Events in the shared queue, perhaps an estimate',
    read: ({ events }) => events,
  },
  'posthog.capture.relay.memory': {
    kind: 'gauge',
    unit: 'By',
    description: 'Memory that the shared queue takes in its server',
    read: ({ bytes }) => bytes,
  },
  'posthog.capture.relay.members': {
    kind: 'gauge',
    unit: '{relay}',
    description: 'Relays that take events from the shared queue',
    read: ({ relays }) => relays,
  },
  'posthog.capture.relay.failing': {
    kind: 'gauge',
    unit: '1',
    description: '1 while the shared queue is down or full, refuses access or may delete events, otherwise 0',
    // Always known. The SDK repeats the last value of the others while they are not.
    read: ({ state, problems }) => (state !== 'ok' || problems.some(({ severity }) => severity === 'down') ? 1 : 0),
  },
};
