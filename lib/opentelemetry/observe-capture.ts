import { type Attributes, type BatchObservableResult, type Meter } from '@opentelemetry/api';
import { type CaptureService } from '../capture/capture.service.js';
import { firstEventsOf, watchEvents } from '../capture/report/watch-events.js';
import { type AnsweredRequest } from '../delivery/delivery.js';
import { deliveryInstruments } from './delivery-instruments.js';
import { EVENT_INSTRUMENTS } from './event-instruments.js';
import { FLAG_INSTRUMENTS } from './flag-instruments.js';
import { createInstruments } from './instruments.js';
import { QUEUE_INSTRUMENTS } from './queue-instruments.js';

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
  const delivery = createInstruments(meter, deliveryInstruments(), instance);
  const queue = createInstruments(meter, QUEUE_INSTRUMENTS, instance);
  const flags = createInstruments(meter, FLAG_INSTRUMENTS, instance);
  const byEvent = createInstruments(meter, EVENT_INSTRUMENTS, instance);
  return {
    all: [delivery, queue, flags, byEvent].flatMap(({ all }) => all),
    observe: (capture: CaptureService, result: BatchObservableResult): void => {
      const stats = capture.stats();
      delivery.observe(stats, result);
      if (stats.queue) queue.observe(stats.queue, result);
      if (stats.flags) flags.observe(stats.flags, result);
      byEvent.observe(firstEventsOf(capture), result);
    },
  };
}
