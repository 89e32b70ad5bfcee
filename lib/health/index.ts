/**
 * A health indicator. Needs the package `@nestjs/terminus`.
 *
 * @module nestjs-posthog-capture/health
 */
export { type CaptureHealthOptions, PostHogCaptureHealthIndicator } from './health-indicator.js';
export { type CaptureHealthThresholds, type HealthProblem } from './assess-health.js';
export { PostHogCaptureHealthModule } from './health.module.js';
