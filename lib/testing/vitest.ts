import { expect } from 'vitest';
import { type CaptureMatchers, captureMatchers } from './matchers/capture-matchers.js';

/* Gives Vitest's `expect` the matchers, and tells TypeScript. */
expect.extend(captureMatchers);

declare module 'vitest' {
  // Without parameters, because they are not the same in all versions of Vitest.
  interface Assertion extends CaptureMatchers {}
}
