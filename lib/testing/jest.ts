import { expect } from '@jest/globals';
import { type CaptureMatchers, captureMatchers } from './matchers/capture-matchers.js';

// Nothing of Nest is loaded here: Jest takes what `setupFilesAfterEnv` names for CommonJS, which Nest 12 is not.
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
