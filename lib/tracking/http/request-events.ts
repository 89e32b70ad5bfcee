import { pathOf, rawOf, requestOf, routeOf } from '../../context/call-source.js';
import { type RequestTrackingOptions } from '../../options/posthog-capture.options.js';
import { processSingleton } from '../../shared/process-singleton.js';
import { addCallProperties } from '../call/capture-call.js';
import { isSampled } from '../call/sampling.js';
import { millisecondsSince } from '../call/tracked-call.js';
import { type TrackingInstance } from '../call/tracking-instance.js';
import { type ResponseEnd } from './response-end.js';

/** The option `requests` of an instance, resolved. */
export interface RequestTracking {
  readonly event: string;
  readonly sampleRate: number;
  /** @param names the path, and the route template if there is one */
  readonly ignores: (names: readonly string[]) => boolean;
}

/** The default name of the event of a request. */
export const REQUEST_EVENT = 'http_request';

/** null: requests are not captured. */
export function requestTrackingOf(option: boolean | RequestTrackingOptions): RequestTracking | null {
  if (option === false) return null;
  const { event = REQUEST_EVENT, sampleRate = 1, ignore = [] } = option === true ? {} : option;
  return { event, sampleRate, ignores: (names) => names.some((name) => ignore.some((rule) => matches(rule, name))) };
}

function matches(rule: string | RegExp, name: string): boolean {
  // Not `test`, which keeps state in a global expression.
  if (typeof rule !== 'string') return name.search(rule) >= 0;
  return rule.endsWith('*') ? name.startsWith(rule.slice(0, -1)) : name === rule;
}

/** Requests, as Node has them, for pages of this package itself. */
const untracked = processSingleton('untracked-requests', () => new WeakSet());

/** Excludes a request from option `requests`. */
export function leaveUntracked(rawRequest: object): void {
  untracked.add(rawRequest);
}

/** Must run in the context of the request. Never throws. */
export function captureRequest(
  request: object,
  { how, statusCode }: ResponseEnd,
  startedAt: number,
  { capture, settings }: TrackingInstance,
  { event, sampleRate, ignores }: RequestTracking,
): void {
  try {
    const fields = requestOf({ transport: 'http', request });
    const route = routeOf(fields);
    const names = [pathOf(fields), route].filter((name) => name !== undefined);
    if (capture.disabled || untracked.has(rawOf(request) ?? request) || ignores(names)) return;
    if (!isSampled(event, sampleRate, capture)) return;
    const isError = how === 'broken' || (statusCode !== undefined && statusCode >= 400);
    const outcome = how === 'aborted' ? how : isError ? 'error' : 'success';
    const properties: Record<string, unknown> = { $request_method: fields.method };
    if (route !== undefined) properties.$request_route = route;
    addCallProperties(properties, { outcome, durationMs: millisecondsSince(startedAt), transport: 'http', statusCode });
    capture.capture({ event, properties });
  } catch {
    settings.warn('track: requests', 'A request could not be captured.');
  }
}
