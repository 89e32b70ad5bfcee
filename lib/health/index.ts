export { type CaptureHealthOptions, PostHogCaptureHealthIndicator } from './health-indicator.js';
export { type CaptureHealthThresholds, type HealthProblem } from './judge-capture.js';
export { PostHogCaptureHealthModule } from './health.module.js';
