/**
 * Metrics. Needs the package `@opentelemetry/api`.
 *
 * @module nestjs-posthog-capture/opentelemetry
 */
export { type CaptureMetricsOptions, PostHogCaptureMetricsModule } from './capture-metrics.module.js';
export { observeCapture, type ObserveCaptureOptions } from './observe-capture.js';
