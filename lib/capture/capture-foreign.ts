import { processSingleton } from '../shared/process-singleton.js';
import { type CaptureEvent, type CaptureNowOptions } from './capture-event.js';
import { type CaptureResult } from './capture-result.js';
import { checkAiEvent } from './input/check-ai-event.js';
import { checkEvent } from './input/check-event.js';
import { type Checked } from './input/source-event.js';

/** How the event of another client is completed. */
export interface ForeignEventOptions {
  /**
   * true: neither `superProperties` nor properties of the context are added, but person, session, groups, `$lib` and the like are, and
   * `beforeSend` is called. PostHog expects this of `$feature_flag_called`. Default: false.
   */
  readonly bare?: boolean;
  /** true: as `captureAi` does, for PostHog's endpoint for AI events. Default: false. */
  readonly ai?: boolean;
}

/** The service, or a stand-in of a test. */
interface Capture {
  capture(event: CaptureEvent): string | null;
}
interface CaptureNow {
  captureNow(event: CaptureEvent, options?: CaptureNowOptions): Promise<CaptureResult>;
}

interface Foreign {
  enqueue(check: () => Checked): string | null;
  sendNow(checked: Checked, options: CaptureNowOptions | undefined): Promise<CaptureResult>;
}

/** Beside the service, because applications only capture events of their own. */
const foreign = processSingleton('capture-foreign', () => new WeakMap<object, Foreign>());

/** @param accept `enqueue` does not call its argument if the instance is disabled */
export function allowCaptureForeign(capture: object, accept: Foreign): void {
  foreign.set(capture, accept);
}

/**
 * `capture` for an event of another client of PostHog, in the current context. Never throws.
 *
 * @param capture a test's stand-in for the service is called as the application would call it
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

function checkForeign(event: CaptureEvent, { bare = false, ai = false }: ForeignEventOptions): Checked {
  const checked = ai ? checkAiEvent(event) : checkEvent(event);
  return bare && checked.ok ? { ...checked, source: { ...checked.source, isBare: true } } : checked;
}
