import { type Attributes, type BatchObservableResult, type Meter } from '@opentelemetry/api';
import { type CaptureService, type CaptureStats } from '../capture/capture.service.js';
import { type WatchedRequest } from '../capture/report/event-watcher.js';
import { watchEvents } from '../capture/report/watch-events.js';

/** How an instance is told apart in its metrics. */
export interface ObserveCaptureOptions {
  /** The name of a named instance: attribute `posthog.capture.instance`. Default: no such attribute. */
  readonly name?: string;
}

/** In seconds; those that the semantic conventions advise for HTTP requests. */
const DURATION_BOUNDARIES = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];

/**
 * Has a meter observe an instance: its counts whenever metrics are collected, and the duration of each request. docs/operations.md
 * lists the instruments.
 *
 * @see https://opentelemetry.io/docs/specs/semconv/general/metrics/
 * @returns what ends it, after one more collection. Call it when the instance has shut down, so that the last one tells what became of
 * everything
 */
export function observeCapture(
  capture: CaptureService,
  meter: Meter,
  { name }: ObserveCaptureOptions = {},
): () => void {
  const instance: Attributes = name === undefined ? {} : { 'posthog.capture.instance': name };
  const { all, observe } = countsOf(meter, instance);
  const duration = meter.createHistogram('posthog.capture.request.duration', {
    description: 'Duration of requests to PostHog, answer included',
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
    // Not at once: the SDK walks its list of callbacks now, and would leave one out.
    queueMicrotask(() => meter.removeBatchObservableCallback(collect, all));
  };
  meter.addBatchObservableCallback(collect, all);
  return () => {
    isEnding = true;
  };
}

/** As the conventions for HTTP clients have them. */
function requestAttributes({ status, failure }: WatchedRequest): Attributes {
  const errorType = failure ?? (status !== null && status >= 400 ? String(status) : undefined);
  return {
    ...(status !== null && { 'http.response.status_code': status }),
    ...(errorType !== undefined && { 'error.type': errorType }),
  };
}

function countsOf(meter: Meter, instance: Attributes) {
  const events = (description: string) => ({ description, unit: '{event}' });
  const captured = meter.createObservableCounter('posthog.capture.events.captured', events('Events captured by calls'));
  const recovered = meter.createObservableCounter(
    'posthog.capture.events.recovered',
    events('Events that a store brought back from an earlier process'),
  );
  const delivered = meter.createObservableCounter(
    'posthog.capture.events.delivered',
    events('Events that PostHog took'),
  );
  const dropped = meter.createObservableCounter(
    'posthog.capture.events.dropped',
    events('Events that will not arrive, by reason'),
  );
  const pending = meter.createObservableUpDownCounter(
    'posthog.capture.queue.events',
    events('Events that wait or are in flight'),
  );
  const capacity = meter.createObservableUpDownCounter(
    'posthog.capture.queue.capacity',
    events('Events that may be pending before the oldest is dropped'),
  );
  const memory = meter.createObservableUpDownCounter('posthog.capture.queue.memory', {
    description: 'Size of the pending events as JSON',
    unit: 'By',
  });
  const age = meter.createObservableGauge('posthog.capture.queue.age', {
    description: 'Age of the oldest pending event, 0 when none is pending',
    unit: 's',
  });
  const retries = meter.createObservableCounter('posthog.capture.request.retries', {
    description: 'Requests that were repeated',
    unit: '{request}',
  });
  const coolingDown = meter.createObservableGauge('posthog.capture.cooling_down', {
    description: '1 while sending is stopped because PostHog does not answer or refuses everything, else 0',
    unit: '1',
  });
  const storeFailing = meter.createObservableGauge('posthog.capture.store.failing', {
    description: '1 while events are in memory only because the store fails, else 0',
    unit: '1',
  });
  const observe = (capture: CaptureService, result: BatchObservableResult): CaptureStats => {
    const stats = capture.stats();
    result.observe(captured, stats.captured, instance);
    result.observe(recovered, stats.recovered, instance);
    result.observe(delivered, stats.delivered, instance);
    for (const [reason, count] of Object.entries(stats.droppedByReason))
      result.observe(dropped, count, { ...instance, 'posthog.capture.drop.reason': reason });
    const state = (of: string): Attributes => ({ ...instance, 'posthog.capture.event.state': of });
    result.observe(pending, stats.pending - stats.inFlight, state('waiting'));
    result.observe(pending, stats.inFlight, state('in_flight'));
    if (stats.limits) result.observe(capacity, stats.limits.maxQueueEvents, instance);
    result.observe(memory, stats.pendingBytes, instance);
    result.observe(age, (stats.oldestPendingMs ?? 0) / 1000, instance);
    result.observe(retries, stats.retries, instance);
    result.observe(coolingDown, stats.coolDownUntil === null ? 0 : 1, instance);
    result.observe(storeFailing, stats.storeFailing ? 1 : 0, instance);
    return stats;
  };
  return {
    observe,
    all: [captured, recovered, delivered, dropped, pending, capacity, memory, age, retries, coolingDown, storeFailing],
  };
}
