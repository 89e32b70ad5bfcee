import { expect } from '@jest/globals';
import { type CaptureMatchers, captureMatchers } from './matchers/capture-matchers.js';

/*
 * Gives Jest's `expect` the matchers, and tells TypeScript. Loads nothing of Nest: Jest takes what `setupFilesAfterEnv` names for
 * CommonJS, and Nest 12 is not.
 */
expect.extend(captureMatchers);

// Without a second parameter, because Jest's declarations differ in it.
declare module 'expect' {
  interface Matchers<R> extends CaptureMatchers<R> {}
}

declare global {
  namespace jest {
    interface Matchers<R> extends CaptureMatchers<R> {}
  }
}
