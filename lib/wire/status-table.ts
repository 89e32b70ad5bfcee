import { type BatchOutcome, type SenderMessages, type SendFailure } from '../delivery/delivery.js';

export const QUOTA_REMEDY = "the project is over its quota: see the billing page of PostHog's settings";

/** Environment variables that remedies name; those of a named instance differ. */
export interface RemedyNames {
  readonly apiKey: string;
  readonly host: string;
  readonly captureMode: string;
  /** Names the proxy in between, without its credentials; undefined without one. Called when something failed. */
  readonly proxy?: () => string | undefined;
}

/** The places to check if something else than PostHog may have answered. */
export function placesToCheck({ host, proxy }: RemedyNames): string {
  const named = proxy?.();
  return named === undefined ? host : `${host} and ${named}`;
}

/**
 * Classifies a status other than 2xx. Retried: 408, 429 (sent by gateways, PostHog itself sends none) and every 5xx. Not retried
 * unchanged: 400 (an event is at fault), 413 (too large) and 402 (quota). Any other status means that the key, the host or a proxy
 * is wrong.
 */
export function outcomeOfStatus(status: number, retryAfterMs: number | undefined, names: RemedyNames): BatchOutcome {
  const failure: SendFailure = { message: `PostHog API error: HTTP ${status}`, remedy: remedyFor(status, names) };
  const code = status;
  if (status === 408 || status === 429 || status >= 500) return { kind: 'retryable', failure, retryAfterMs, code };
  switch (status) {
    case 400:
      return { kind: 'rejected', failure, code };
    case 402:
      return { kind: 'quota', failure, code };
    case 413:
      return { kind: 'tooLarge', failure, code };
    default:
      return { kind: 'refused', failure, code };
  }
}

/** A 2xx of the v0 API that PostHog cannot have sent. */
export function notFromPostHog(status: number, names: RemedyNames): SendFailure {
  return {
    message: `PostHog API error: HTTP ${status}, but the response is not from PostHog`,
    remedy: `check ${placesToCheck(names)}: another server, a proxy or a login page responds there`,
  };
}

/** A 2xx of the v1 API without a result for each event. */
export function withoutResults(status: number, { host, captureMode }: RemedyNames): SendFailure {
  return {
    message: `PostHog API error: HTTP ${status} without a result for each event`,
    remedy:
      'events without a result are kept and sent again; ' +
      `if it lasts, check ${host} and any proxy in between, or set ${captureMode}=v0`,
  };
}

function remedyFor(status: number, names: RemedyNames): string {
  const { apiKey, host, captureMode, proxy } = names;
  if (status === 407) return `check the credentials of ${proxy?.() ?? 'the proxy in between, which asks for them'}`;
  if (status === 401) return `check that ${apiKey} is the project API key (phc_…) of a project at ${host}`;
  if (status === 402) return QUOTA_REMEDY;
  if (status === 404) return `check ${host}; if the server does not support the v1 API, set ${captureMode}=v0`;
  if (status === 415) return 'events are sent uncompressed from now on';
  if (status >= 300 && status < 400)
    return `check ${host}: it responds with a redirect, and redirects are not followed`;
  if (status === 408 || status === 429 || status >= 500) {
    const gateway = proxy?.() ?? 'a gateway in front of it';
    return `PostHog or ${gateway} is unavailable: nothing to do unless it lasts`;
  }
  const named = proxy?.();
  if (named !== undefined) return `check ${host}, ${named}, and any firewall in between`;
  return `check ${host} and any proxy or firewall in between`;
}

/**
 * Reads Retry-After (RFC 9110, section 10.2.3): seconds or an HTTP date. A date is relative to the `Date` header of the same
 * response, because the clocks may differ, or else to `now`. Of a repeated header (`60, 120`), the longest delay: it satisfies all.
 *
 * @param headers names in lower case
 * @returns milliseconds to wait, 0 for a past date, undefined if missing or unreadable
 */
export function retryAfterMs(headers: Readonly<Record<string, unknown>>, now: number): number | undefined {
  const { 'retry-after': header, date } = headers;
  const text = Array.isArray(header) ? header.join(',') : header;
  if (typeof text !== 'string' && typeof text !== 'number') return undefined;
  const values = (String(text).match(RETRY_AFTER_VALUE) ?? []).map((value) => delayMs(value.trim(), date, now));
  const known = values.filter((value) => value !== undefined);
  return known.length === 0 ? undefined : Math.max(...known);
}

/** One of the values of a header that a proxy joined with commas. A date contains a comma itself. */
const RETRY_AFTER_VALUE = /\s*(?:[a-z]{3,9},)?[^,]+/gi;

function delayMs(text: string, date: unknown, now: number): number | undefined {
  if (/^\d+(\.\d+)?$/.test(text)) return Math.ceil(Number(text) * 1000);
  const at = parseDate(text);
  return at === undefined ? undefined : Math.max(0, at - (parseDate(date) ?? now));
}

function parseDate(text: unknown): number | undefined {
  // A date contains letters; Date.parse accepts "-5" as a year.
  if (typeof text !== 'string' || !/[a-z]/i.test(text)) return undefined;
  const at = Date.parse(text);
  return Number.isNaN(at) ? undefined : at;
}

/** The message of a request without a response within `timeoutMs`. */
export const timedOut = (timeoutMs: number): string => `PostHog request timed out after ${timeoutMs} ms`;

/** The sentences about PostHog that `delivery/`, which does not know it, logs and returns. */
export function senderMessages({ host }: RemedyNames): SenderMessages {
  return {
    aborted: 'PostHog request aborted',
    timedOut,
    askedAgain: {
      message: 'PostHog asked to send events again',
      remedy: 'the events are kept and sent again: nothing to do unless it lasts',
    },
    refusesEveryEvent: `PostHog refuses every event: check ${host} and any proxy or firewall in between; the events are kept`,
    limited: (bytes) => ({
      message: `Larger requests fail and smaller ones are accepted, so batches are limited to ${bytes} bytes (before compression)`,
      remedy: `raise the size limit of the proxy or firewall between this machine and ${host}, or set maxBatchBytes to ${bytes}`,
    }),
  };
}
