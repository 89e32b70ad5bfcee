import { type Attributes, type BatchObservableResult, type Meter } from '@opentelemetry/api';
import { type CaptureService } from '../capture/capture.service.js';
import { type CaptureStats } from '../capture/capture-stats.js';
import { firstEventsOf, watchEvents } from '../capture/report/watch-events.js';
import { type AnsweredRequest } from '../delivery/delivery.js';
import { type QueueStats } from '../queue/queue-monitor.js';
import { eventInstruments } from './event-instruments.js';
import { flagInstruments } from './flag-instruments.js';

/** Options of `observeCapture`. */
export interface ObserveCaptureOptions {
  /** Value of the attribute `posthog.capture.instance` on every metric. Default: no such attribute. */
  readonly name?: string;
}

/** Seconds; the boundaries that the semantic conventions recommend for HTTP requests. */
const DURATION_BOUNDARIES = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];

/**
 * Records the metrics of an instance: counts on each collection, and the duration of each request. docs/operations.md lists the
 * instruments.
 *
 * @see https://opentelemetry.io/docs/specs/semconv/general/metrics/
 * @returns A function that stops observing after one more collection. Call it after the instance has shut down, so that this collection
 * has the final counts.
 */
export function observeCapture(
  capture: CaptureService,
  meter: Meter,
  { name }: ObserveCaptureOptions = {},
): () => void {
  const instance: Attributes = name === undefined ? {} : { 'posthog.capture.instance': name };
  const { all, observe } = countsOf(meter, instance);
  const duration = meter.createHistogram('posthog.capture.request.duration', {
    description: 'Duration of requests to PostHog, including the response',
    unit: 's',
    advice: { explicitBucketBoundaries: DURATION_BOUNDARIES },
  });
  const unwatch = watchEvents(capture, {
    answered: (request) => duration.record(request.durationMs / 1000, { ...instance, ...requestAttributes(request) }),
  });
  let isEnding = false;
  const collect = (result: BatchObservableResult): void => {
    observe(capture, result);
    if (!isEnding) return;
    unwatch();
    // Not synchronously: the SDK is iterating over its callbacks and would skip one.
    queueMicrotask(() => meter.removeBatchObservableCallback(collect, all));
  };
  meter.addBatchObservableCallback(collect, all);
  return () => {
    isEnding = true;
  };
}

/** @see https://opentelemetry.io/docs/specs/semconv/http/http-metrics/#http-client */
function requestAttributes({ status, failure }: AnsweredRequest): Attributes {
  const errorType = failure ?? (status !== null && status >= 400 ? String(status) : undefined);
  return {
    ...(status !== null && { 'http.response.status_code': status }),
    ...(errorType !== undefined && { 'error.type': errorType }),
  };
}

function countsOf(meter: Meter, instance: Attributes) {
  const events = (description: string) => ({ description, unit: '{event}' });
  const captured = meter.createObservableCounter(
    'posthog.capture.events.captured',
    events('Capture calls, including those whose event was dropped immediately'),
  );
  const recovered = meter.createObservableCounter(
    'posthog.capture.events.recovered',
    events('Events recovered from the store of an earlier process'),
  );
  const delivered = meter.createObservableCounter(
    'posthog.capture.events.delivered',
    events('Events accepted by PostHog'),
  );
  const dropped = meter.createObservableCounter('posthog.capture.events.dropped', events('Events dropped, by reason'));
  const pending = meter.createObservableUpDownCounter(
    'posthog.capture.queue.events',
    events('Events waiting or in flight'),
  );
  const capacity = meter.createObservableUpDownCounter(
    'posthog.capture.queue.capacity',
    events('Number of pending events above which the oldest is dropped'),
  );
  const memory = meter.createObservableUpDownCounter('posthog.capture.queue.memory', {
    description: 'Size of the pending events as JSON',
    unit: 'By',
  });
  const age = meter.createObservableGauge('posthog.capture.queue.age', {
    description: 'Age of the oldest pending event, or 0 if none is pending',
    unit: 's',
  });
  const retries = meter.createObservableCounter('posthog.capture.request.retries', {
    description: 'Retried requests',
    unit: '{request}',
  });
  const coolingDown = meter.createObservableGauge('posthog.capture.cooling_down', {
    description: '1 during a cool-down, when PostHog does not respond or refuses everything, otherwise 0',
    unit: '1',
  });
  const storeFailing = meter.createObservableGauge('posthog.capture.store.failing', {
    description: '1 while the store fails and events are kept in memory only, otherwise 0',
    unit: '1',
  });
  const aiEvents = meter.createObservableUpDownCounter(
    'posthog.capture.ai.events',
    events('AI events waiting or in flight; part of posthog.capture.queue.events'),
  );
  const aiMemory = meter.createObservableUpDownCounter('posthog.capture.ai.memory', {
    description: 'Size of the pending AI events as JSON; part of posthog.capture.queue.memory',
    unit: 'By',
  });
  let mostRecovered = 0;
  // Gauges: each process reports the same queue, so a sum would be wrong.
  const relayLag = meter.createObservableGauge('posthog.capture.relay.lag', {
    description: 'Age of the oldest event in the shared queue, or 0 if it is empty',
    unit: 's',
  });
  const relayEvents = meter.createObservableGauge(
    'posthog.capture.relay.events',
    events('Events in the shared queue, perhaps an estimate'),
  );
  const relayMemory = meter.createObservableGauge('posthog.capture.relay.memory', {
    description: 'Memory that the shared queue takes in its server',
    unit: 'By',
  });
  const relayMembers = meter.createObservableGauge('posthog.capture.relay.members', {
    description: 'Relays that take events from the shared queue',
    unit: '{relay}',
  });
  const observeQueue = ({ oldestMs, events, bytes, relays }: QueueStats, result: BatchObservableResult): void => {
    // What is not known is not reported.
    if (oldestMs !== null) result.observe(relayLag, oldestMs / 1000, instance);
    if (events !== null) result.observe(relayEvents, events, instance);
    if (bytes !== null) result.observe(relayMemory, bytes, instance);
    if (relays !== null) result.observe(relayMembers, relays, instance);
  };
  const flags = flagInstruments(meter, instance);
  const byEvent = eventInstruments(meter, instance);
  const observe = (capture: CaptureService, result: BatchObservableResult): CaptureStats => {
    const stats = capture.stats();
    // Lower when another process took events over; a counter that decreases looks like a restart.
    mostRecovered = Math.max(mostRecovered, stats.recovered);
    result.observe(captured, stats.captured, instance);
    result.observe(recovered, mostRecovered, instance);
    result.observe(delivered, stats.delivered, instance);
    for (const [reason, count] of Object.entries(stats.droppedByReason))
      result.observe(dropped, count, { ...instance, 'posthog.capture.drop.reason': reason });
    const state = (of: string): Attributes => ({ ...instance, 'posthog.capture.event.state': of });
    result.observe(pending, stats.pending - stats.inFlight, state('waiting'));
    result.observe(pending, stats.inFlight, state('in_flight'));
    if (stats.limits) result.observe(capacity, stats.limits.maxQueueEvents, instance);
    result.observe(memory, stats.pendingBytes, instance);
    if (stats.ai) {
      result.observe(aiEvents, stats.ai.pending, instance);
      result.observe(aiMemory, stats.ai.pendingBytes, instance);
    }
    result.observe(age, (stats.oldestPendingMs ?? 0) / 1000, instance);
    result.observe(retries, stats.retries, instance);
    result.observe(coolingDown, stats.coolDownUntil === null ? 0 : 1, instance);
    result.observe(storeFailing, stats.storeFailing ? 1 : 0, instance);
    if (stats.queue) observeQueue(stats.queue, result);
    if (stats.flags) flags.observe(stats.flags, result);
    byEvent.observe(firstEventsOf(capture), result);
    return stats;
  };
  const own = [
    captured,
    recovered,
    delivered,
    dropped,
    pending,
    capacity,
    memory,
    aiEvents,
    aiMemory,
    age,
    retries,
    coolingDown,
    storeFailing,
  ];
  return { observe, all: [...own, relayLag, relayEvents, relayMemory, relayMembers, ...flags.all, ...byEvent.all] };
}
