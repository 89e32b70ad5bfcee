import { definedEventOf } from '../../events/defined-event.js';
import { type CatalogEntry } from '../../events/events-options.js';
import { describe } from '../../shared/untrusted-values.js';
import { CaptureRecorder } from '../recording/capture-recorder.js';
import { checkExpected, type Difference, differencesOf, type ExpectedEvent } from '../recording/expected-event.js';
import { type RecordedEvent } from '../recording/recording.js';
import { checkExpectedException, differencesOfException, type ExpectedException } from './expected-exception.js';
import { type Candidate, FailureMessage } from './failure-message.js';
import { show } from './show.js';

/** The matchers that `expect(recorder)` provides. */
export interface CaptureMatchers<R = void> {
  /**
   * Passes if at least one event with this name was captured and matches `expected`, if given.
   *
   * ```ts
   * expect(recorder).toHaveCaptured('purchase_completed', { distinctId: 'user_1', properties: { price: 99.99 } });
   * expect(recorder).not.toHaveCaptured('purchase_failed');
   * ```
   *
   * @throws also with `.not`, if no instance writes to the recorder or `expected` has an unknown field
   */
  toHaveCaptured(event: string | CatalogEntry, expected?: ExpectedEvent): R;

  /**
   * Passes if exactly `times` events with this name were captured. With `expected`, only those that match it are counted.
   *
   * ```ts
   * expect(recorder).toHaveCapturedTimes('purchase_completed', 2);
   * expect(recorder).toHaveCapturedTimes('purchase_completed', 1, { distinctId: 'user_1' });
   * ```
   *
   * @throws also with `.not`, if no instance writes to the recorder or `expected` has an unknown field
   */
  toHaveCapturedTimes(event: string | CatalogEntry, times: number, expected?: ExpectedEvent): R;

  /**
   * Passes if at least one error was captured that matches `error` and `expected`, if given.
   *
   * ```ts
   * expect(recorder).toHaveCapturedException(PaymentError, { distinctId: 'user_1' });
   * expect(recorder).toHaveCapturedException('card declined');
   * expect(recorder).not.toHaveCapturedException();
   * ```
   *
   * @param error its class, by name; a part of its message; or a regular expression that its message matches
   * @throws also with `.not`, if no instance writes to the recorder, `error` is anything else, or `expected` has an unknown field
   */
  toHaveCapturedException(error?: ExpectedException, expected?: ExpectedEvent): R;
}

/** The `this` of a matcher in Jest and Vitest. */
export interface MatcherContext {
  readonly isNot?: boolean;
  readonly utils: {
    /** Colors an expected value. */
    EXPECTED_COLOR(text: string): string;
    /** Colors a received value. */
    RECEIVED_COLOR(text: string): string;
    /** Builds the first line of a failure message. */
    matcherHint(name: string, received?: string, expected?: string, options?: object): string;
  };
}

/** The result of a matcher in Jest and Vitest. */
export interface MatcherResult {
  readonly pass: boolean;
  /** Called only if the assertion fails. */
  readonly message: () => string;
}

/**
 * The matchers for `expect.extend(captureMatchers)`. In Jest and Vitest, import `nestjs-posthog-capture/testing/jest` or
 * `nestjs-posthog-capture/testing/vitest` instead, which also adds their types.
 */
export const captureMatchers = {
  /** See {@link CaptureMatchers.toHaveCaptured}. */
  toHaveCaptured(
    this: MatcherContext,
    received: unknown,
    named: string | CatalogEntry,
    expected?: ExpectedEvent,
  ): MatcherResult {
    const event = nameOf('toHaveCaptured', named);
    const { recorder, candidates } = candidatesFor('toHaveCaptured', received, event, expected);
    const pass = candidates.some(({ differences }) => differences.length === 0);
    const message = new FailureMessage(this.utils, recorder, event, candidates);
    return {
      pass,
      message: () => `${hint(this, 'toHaveCaptured', event)}\n\n${pass ? message.unwanted() : message.missing()}`,
    };
  },

  /** See {@link CaptureMatchers.toHaveCapturedTimes}. */
  toHaveCapturedTimes(
    this: MatcherContext,
    received: unknown,
    named: string | CatalogEntry,
    times: number,
    expected?: ExpectedEvent,
  ): MatcherResult {
    const event = nameOf('toHaveCapturedTimes', named);
    const { recorder, candidates } = candidatesFor('toHaveCapturedTimes', received, event, expected);
    if (!Number.isInteger(times) || times < 0) {
      throw new TypeError(
        `toHaveCapturedTimes: the number of times must be a non-negative integer, but it is ${describe(times)}`,
      );
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

  /** See {@link CaptureMatchers.toHaveCapturedException}. */
  toHaveCapturedException(
    this: MatcherContext,
    received: unknown,
    error?: ExpectedException,
    expected?: ExpectedEvent,
  ): MatcherResult {
    const matcher = 'toHaveCapturedException';
    checkExpectedException(matcher, error);
    const { recorder, candidates } = candidatesFor(matcher, received, '$exception', expected, (event) =>
      differencesOfException(event, error),
    );
    const pass = candidates.some(({ differences }) => differences.length === 0);
    const message = new FailureMessage(this.utils, recorder, '$exception', candidates);
    const hinted = typeof error === 'function' ? error.name : error === undefined ? '' : show(error);
    const { isNot = false } = this;
    return {
      pass,
      message: () =>
        `${this.utils.matcherHint(matcher, 'recorder', hinted, { isNot })}\n\n${pass ? message.unwanted() : message.missing()}`,
    };
  },
};

function candidatesFor(
  matcher: string,
  received: unknown,
  event: string,
  expected: ExpectedEvent | undefined,
  moreDifferences: (event: RecordedEvent) => readonly Difference[] = () => [],
): { recorder: CaptureRecorder; candidates: Candidate[] } {
  if (!(received instanceof CaptureRecorder)) {
    throw new TypeError(
      `${matcher} expects a CaptureRecorder, but got ${describe(received)}: use expect(recorder) or expect(recorderOf(app))`,
    );
  }
  checkExpected(matcher, expected);
  // A disabled instance is accepted, because a test may check that it captures nothing.
  if (!received.isConnected) throw new Error(`${matcher}: this recorder records nothing.\n\n${received.summary()}`);
  const candidates = received
    .filter(event)
    .map((one) => ({ event: one, differences: [...moreDifferences(one), ...differencesOf(one, expected)] }));
  return { recorder: received, candidates };
}

function nameOf(matcher: string, event: unknown): string {
  const name = typeof event === 'function' ? definedEventOf(event)?.event : event;
  if (typeof name === 'string') return name;
  throw new TypeError(`${matcher}: the event must be its name or its definition, but it is ${describe(event)}`);
}

function hint({ utils, isNot = false }: MatcherContext, matcher: string, event: string): string {
  return utils.matcherHint(matcher, 'recorder', JSON.stringify(event), { isNot });
}
