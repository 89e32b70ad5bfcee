import { type FlagError } from '../capture/flag-stats.js';
import { fieldOf } from '../shared/untrusted-values.js';

/** The error of a request. */
export interface RequestError extends FlagError {
  /** There was no response in time. */
  readonly isLate: boolean;
  /** PostHog refused this request and would accept others: what it says of the person is at fault. */
  readonly isOfRequest: boolean;
}

const LASTS = 'nothing to do unless it lasts';
const SETTINGS = 'check options apiKey and host';

const REFUSED_REQUEST = 'check the distinct id, the groups and the properties that the flags were read with';

const error = (message: string, remedy: string, needsAction = false): RequestError => ({
  message,
  remedy,
  needsAction,
  isLate: false,
  isOfRequest: false,
});

export const QUOTA_ERROR = error(
  'the project is over its quota of feature flag requests',
  'raise the billing limit of feature flags in PostHog',
  true,
);

/** @param timeoutMs absent if it is not known */
export function lateError(timeoutMs?: number): RequestError {
  const time = timeoutMs === undefined ? 'in time' : `within ${timeoutMs} ms`;
  return { ...error(`PostHog did not respond ${time}`, LASTS), isLate: true };
}

/** Describes the error of a request by its status or its code, never by its message, which may quote the response. */
export function requestErrorOf(thrown: unknown): RequestError {
  const status = fieldOf(thrown, 'status');
  if (typeof status === 'number') return statusError(status);
  // posthog-node wraps the error of `fetch`, which has that of the socket as its cause.
  const inner = fieldOf(thrown, 'error') ?? thrown;
  if (['AbortError', 'TimeoutError'].includes(String(fieldOf(inner, 'name')))) return lateError();
  const code = fieldOf(fieldOf(inner, 'cause'), 'code') ?? fieldOf(inner, 'code');
  return typeof code === 'string' && /^[A-Z_]{1,40}$/.test(code)
    ? error(`PostHog connection error: ${code}`, 'check the network and option host')
    : error('PostHog returned an invalid response', 'check option host: a proxy may respond in place of PostHog');
}

/** @param remedy for a key that PostHog refuses */
export function statusError(status: number, remedy = SETTINGS): RequestError {
  if (status === 402) return QUOTA_ERROR;
  if (status === 400 || status === 413)
    return { ...error(`PostHog API error: HTTP ${status}`, REFUSED_REQUEST, true), isOfRequest: true };
  const isTemporary = status >= 500 || status === 408 || status === 429;
  return error(`PostHog API error: HTTP ${status}`, isTemporary ? LASTS : remedy, !isTemporary);
}
