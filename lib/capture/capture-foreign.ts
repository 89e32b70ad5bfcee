import { processSingleton } from '../shared/process-singleton.js';
import { fieldOf } from '../shared/untrusted-values.js';
import { type CaptureEvent, type CaptureNowOptions } from './capture-event.js';
import { type CaptureResult } from './capture-result.js';
import { checkAiEvent } from './input/check-ai-event.js';
import { checkEvent } from './input/check-event.js';
import { type Exceptions } from './exception/exceptions.js';
import { unwrap } from './exception/thrown-value.js';
import { type Checked, refuse } from './input/source-event.js';
import { SUPPRESSED } from './input/special-events.js';

export interface ForeignEventOptions {
  /**
   * true: neither `superProperties` nor properties of the context are added, but person, session, groups, `$lib` and the like are, and
   * `beforeSend` is called. PostHog expects this of `$feature_flag_called`. Default: false.
   */
  readonly bare?: boolean;
  /** true: as `captureAi` does, for PostHog's endpoint for AI events. Default: false. */
  readonly ai?: boolean;
}

/** The service, or a test double. */
interface Capture {
  capture(event: CaptureEvent): string | null;
}
interface CaptureNow {
  captureNow(event: CaptureEvent, options?: CaptureNowOptions): Promise<CaptureResult>;
}

interface Foreign {
  /** Does not call its argument if the instance is disabled. */
  enqueue(check: () => Checked): string | null;
  sendNow(checked: Checked, options: CaptureNowOptions | undefined): Promise<CaptureResult>;
  readonly exceptions: Exceptions;
}

/** Beside the service, because applications only capture events of their own. */
const foreign = processSingleton('capture-foreign', () => new WeakMap<object, Foreign>());

export function allowCaptureForeign(capture: object, accept: Foreign): void {
  foreign.set(capture, accept);
}

/**
 * `capture` for an event of another client of PostHog, in the current context. Never throws.
 *
 * @param capture a test double of the service is called as the application would call it
 * @returns the uuid, or null if the event was dropped or the instance is disabled
 */
export function captureForeign(
  capture: Capture,
  event: CaptureEvent,
  options: ForeignEventOptions = {},
): string | null {
  const own = foreign.get(capture);
  return own === undefined ? capture.capture(event) : own.enqueue(() => checkForeign(event, options));
}

/** `captureForeign`, waiting for PostHog's response as `captureNow` does. */
export function captureForeignNow(
  capture: CaptureNow,
  event: CaptureEvent,
  options: ForeignEventOptions & { readonly wait?: CaptureNowOptions } = {},
): Promise<CaptureResult> {
  const own = foreign.get(capture);
  return own === undefined
    ? capture.captureNow(event, options.wait)
    : own.sendNow(checkForeign(event, options), options.wait);
}

/** Counts an event that the other client's own filter has dropped. */
export function dropForeign(capture: object, event: string, detail: string): void {
  foreign.get(capture)?.enqueue(() => ({ ...refuse(event, detail), reason: 'before_send' }));
}

/**
 * Asks whether another client may describe and capture an error. An error beyond the limit is counted as dropped.
 *
 * @returns the number of errors of its type that were suppressed before it; null if it must not be captured, also of a disabled instance
 */
export function claimForeignError(capture: object, error: unknown): number | null {
  const own = foreign.get(capture);
  if (own === undefined) return 0;
  if (fieldOf(capture, 'disabled') === true) return null;
  const { exceptions } = own;
  if (exceptions.capturedAs(error) !== undefined) return null;
  if (!exceptions.suppresses(error)) return exceptions.admit(error);
  own.enqueue(() => SUPPRESSED);
  return null;
}

/**
 * Marks an error that another client has captured.
 *
 * @param uuid of its event; null if it has none yet, or it was dropped
 */
export function rememberForeignError(capture: object, error: unknown, uuid: string | null): void {
  foreign.get(capture)?.exceptions.remember({ error: unwrap(error) }, uuid);
}

function checkForeign(event: CaptureEvent, { bare = false, ai = false }: ForeignEventOptions): Checked {
  const checked = ai ? checkAiEvent(event) : checkEvent(event);
  return bare && checked.ok ? { ...checked, source: { ...checked.source, isBare: true } } : checked;
}
