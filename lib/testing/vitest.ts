/**
 * Adds `toHaveCaptured`, `toHaveCapturedTimes` and `toHaveCapturedException` to `expect` of Vitest. It has no exports.
 *
 * @module nestjs-posthog-capture/testing/vitest
 */
import { expect } from 'vitest';
import { type CaptureMatchers, captureMatchers } from './matchers/capture-matchers.js';

expect.extend(captureMatchers);

declare module 'vitest' {
  // No type parameters, because they differ between versions of Vitest.
  interface Assertion extends CaptureMatchers {}
}
