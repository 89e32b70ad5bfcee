import { describe } from '../../shared/untrusted-values.js';
import { CaptureRecorder } from '../recording/capture-recorder.js';
import { checkExpected, differencesOf, type ExpectedEvent } from '../recording/expected-event.js';
import { type Candidate, type Colors, FailureMessage } from './failure-message.js';

/** The matchers, as `expect(recorder)` has them. */
export interface CaptureMatchers<R = void> {
  /**
   * At least one event of this name was captured, and, if given, one like `expected`.
   *
   * ```ts
   * expect(recorder).toHaveCaptured('purchase_completed', { distinctId: 'user_1', properties: { price: 99.99 } });
   * ```
   */
  toHaveCaptured(event: string, expected?: ExpectedEvent): R;

  /** Exactly so many events of this name were captured, and, if given, so many of them like `expected`. */
  toHaveCapturedTimes(event: string, times: number, expected?: ExpectedEvent): R;
}

/** What Jest and Vitest give a matcher as `this`. */
export interface MatcherContext {
  readonly isNot?: boolean;
  readonly utils: Colors & {
    matcherHint(name: string, received?: string, expected?: string, options?: object): string;
  };
}

/** What a matcher answers. */
export interface MatcherResult {
  readonly pass: boolean;
  readonly message: () => string;
}

/**
 * The matchers, for `expect.extend(captureMatchers)` of Jest, Vitest and what works alike. Importing
 * `nestjs-posthog-capture/testing/jest` or `nestjs-posthog-capture/testing/vitest` does that, and tells TypeScript.
 */
export const captureMatchers = {
  toHaveCaptured(this: MatcherContext, received: unknown, event: string, expected?: ExpectedEvent): MatcherResult {
    const { recorder, candidates } = look('toHaveCaptured', received, event, expected);
    const pass = candidates.some(({ differences }) => differences.length === 0);
    const message = new FailureMessage(this.utils, recorder, event, candidates);
    return {
      pass,
      message: () => `${hint(this, 'toHaveCaptured', event)}\n\n${pass ? message.unwanted() : message.missing()}`,
    };
  },

  toHaveCapturedTimes(
    this: MatcherContext,
    received: unknown,
    event: string,
    times: number,
    expected?: ExpectedEvent,
  ): MatcherResult {
    const { recorder, candidates } = look('toHaveCapturedTimes', received, event, expected);
    if (!Number.isInteger(times) || times < 0) {
      throw new TypeError(`toHaveCapturedTimes: the number of times must be 0, 1, 2 …, but it is ${describe(times)}`);
    }
    const count = candidates.filter(({ differences }) => differences.length === 0).length;
    const pass = count === times;
    const message = new FailureMessage(this.utils, recorder, event, candidates);
    return {
      pass,
      message: () =>
        `${hint(this, 'toHaveCapturedTimes', event)}\n\n${message.miscounted(count, times, pass, expected !== undefined)}`,
    };
  },
};

/** The events of the name, and how each differs from what is expected. */
function look(
  matcher: string,
  received: unknown,
  event: unknown,
  expected: ExpectedEvent | undefined,
): { recorder: CaptureRecorder; candidates: Candidate[] } {
  if (!(received instanceof CaptureRecorder)) {
    throw new TypeError(
      `${matcher} looks at a CaptureRecorder, but got ${describe(received)}: expect(recorder), or expect(recorderOf(app))`,
    );
  }
  if (typeof event !== 'string') {
    throw new TypeError(`${matcher}: the name of the event must be a text, but it is ${describe(event)}`);
  }
  checkExpected(matcher, expected);
  // A disabled one is looked at: that it captures nothing may be what a test is about, and who disabled it and why cannot be told.
  if (!received.isConnected) throw new Error(`${matcher} has nothing to look at.\n\n${received.summary()}`);
  const candidates = received.filter(event).map((one) => ({ event: one, differences: differencesOf(one, expected) }));
  return { recorder: received, candidates };
}

function hint({ utils, isNot = false }: MatcherContext, matcher: string, event: string): string {
  return utils.matcherHint(matcher, 'recorder', JSON.stringify(event), { isNot });
}
