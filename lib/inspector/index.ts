/**
 * A live page of all events.
 *
 * @module nestjs-posthog-capture/inspector
 */
export { PostHogCaptureInspectorModule, type PostHogCaptureInspectorModuleAsyncOptions } from './inspector.module.js';
export {
  type PostHogCaptureInspectorExtras,
  type PostHogCaptureInspectorModuleOptions,
  type PostHogCaptureInspectorOptions,
} from './inspector.options.js';
export { type Mask } from '../live/mask.js';
