/**
 * Adds `toHaveCaptured`, `toHaveCapturedTimes` and `toHaveCapturedException` to `expect` of Jest. It has no exports.
 *
 * @module nestjs-posthog-capture/testing/jest
 */
import { expect } from '@jest/globals';
import { type CaptureMatchers, captureMatchers } from './matchers/capture-matchers.js';

// Must not load Nest: Jest loads the modules of `setupFilesAfterEnv` as CommonJS, which Nest 12 does not provide.
expect.extend(captureMatchers);

// No second type parameter, because it differs between Jest's declarations.
declare module 'expect' {
  interface Matchers<R> extends CaptureMatchers<R> {}
}

declare global {
  namespace jest {
    interface Matchers<R> extends CaptureMatchers<R> {}
  }
}
