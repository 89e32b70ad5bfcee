import { type CaptureStats } from '../capture/capture-stats.js';
import { type Instrument } from './instruments.js';

type DeliveryInstruments = Readonly<Record<string, Instrument<CaptureStats>>>;

/** A table for each instance, because it remembers the highest count of recovered events. */
export function deliveryInstruments(): DeliveryInstruments {
  let mostRecovered = 0;
  return {
    ...DELIVERY_INSTRUMENTS,
    'posthog.capture.events.recovered': {
      kind: 'counter',
      unit: '{event}',
      description: 'Events recovered from the store of an earlier process',
      // Lower when another process took events over; a counter that decreases looks like a restart.
      read: ({ recovered }) => (mostRecovered = Math.max(mostRecovered, recovered)),
    },
  };
}

const DELIVERY_INSTRUMENTS: DeliveryInstruments = {
  'posthog.capture.events.captured': {
    kind: 'counter',
    unit: '{event}',
    description: 'Capture calls, including those whose event was dropped immediately',
    read: ({ captured }) => captured,
  },
  'posthog.capture.events.delivered': {
    kind: 'counter',
    unit: '{event}',
    description: 'Events accepted by PostHog',
    read: ({ delivered }) => delivered,
  },
  'posthog.capture.events.dropped': {
    kind: 'counter',
    unit: '{event}',
    description: 'Events dropped, by reason',
    read: ({ droppedByReason }) =>
      Object.entries(droppedByReason).map(([reason, count]) => [count, { 'posthog.capture.drop.reason': reason }]),
  },
  'posthog.capture.queue.events': {
    kind: 'upDownCounter',
    unit: '{event}',
    description: 'Events waiting or in flight',
    read: ({ pending, inFlight }) => [
      [pending - inFlight, { 'posthog.capture.event.state': 'waiting' }],
      [inFlight, { 'posthog.capture.event.state': 'in_flight' }],
    ],
  },
  'posthog.capture.queue.capacity': {
    kind: 'upDownCounter',
    unit: '{event}',
    description: 'Number of pending events above which the oldest is dropped',
    read: ({ limits }) => limits?.maxQueueEvents,
  },
  'posthog.capture.queue.memory': {
    kind: 'upDownCounter',
    unit: 'By',
    description: 'Size of the pending events as JSON',
    read: ({ pendingBytes }) => pendingBytes,
  },
  'posthog.capture.queue.age': {
    kind: 'gauge',
    unit: 's',
    description: 'Age of the oldest pending event, or 0 if none is pending',
    read: ({ oldestPendingMs }) => (oldestPendingMs ?? 0) / 1000,
  },
  'posthog.capture.request.retries': {
    kind: 'counter',
    unit: '{request}',
    description: 'Retried requests',
    read: ({ retries }) => retries,
  },
  'posthog.capture.cooling_down': {
    kind: 'gauge',
    unit: '1',
    description: '1 during a cool-down, when PostHog does not respond or refuses everything, otherwise 0',
    read: ({ coolDownUntil }) => (coolDownUntil === null ? 0 : 1),
  },
  'posthog.capture.store.failing': {
    kind: 'gauge',
    unit: '1',
    description: '1 while the store fails and events are kept in memory only, otherwise 0',
    read: ({ storeFailing }) => (storeFailing ? 1 : 0),
  },
  'posthog.capture.ai.events': {
    kind: 'upDownCounter',
    unit: '{event}',
    description: 'AI events waiting or in flight; part of posthog.capture.queue.events',
    read: ({ ai }) => ai?.pending,
  },
  'posthog.capture.ai.memory': {
    kind: 'upDownCounter',
    unit: 'By',
    description: 'Size of the pending AI events as JSON; part of posthog.capture.queue.memory',
    read: ({ ai }) => ai?.pendingBytes,
  },
};
