import { expect } from 'vitest';
import { type CaptureMatchers, captureMatchers } from './matchers/capture-matchers.js';

expect.extend(captureMatchers);

declare module 'vitest' {
  // Without parameters, because they are not the same in all versions of Vitest.
  interface Assertion extends CaptureMatchers {}
}
