import { expect } from '@jest/globals';
import { type CaptureMatchers, captureMatchers } from './matchers/capture-matchers.js';

/** Everything of `nestjs-posthog-capture/testing`; importing it gives Jest's `expect` the matchers. */
export * from './index.js';

expect.extend(captureMatchers);

// Without T, because Jest's own declarations differ in it.
declare module 'expect' {
  interface Matchers<R> extends CaptureMatchers<R> {}
}

declare global {
  namespace jest {
    interface Matchers<R> extends CaptureMatchers<R> {}
  }
}
