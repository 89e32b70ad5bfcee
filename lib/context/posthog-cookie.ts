import { headerOf, type RequestFields } from './call-source.js';

/** The cookie of posthog-js, and the one that has the user's consent. */
export interface CookieNames {
  readonly state: string;
  readonly consent: readonly string[];
}

/** The part of posthog-js's state that identifies a browser. All values come from the client. */
export interface BrowserState {
  /** undefined unless the browser has identified its user. */
  readonly distinctId: string | undefined;
  /** undefined if there is no session, or if it is over. */
  readonly sessionId: string | undefined;
}

/** As posthog-js ends a session. */
const MAX_IDLE_MS = 30 * 60_000;
const MAX_SESSION_MS = 24 * 60 * 60_000;
/** Larger than any header that Node.js accepts by default. Bounds the work. */
const MAX_HEADER_LENGTH = 64 * 1024;
/** Values that posthog-js takes for a refusal. */
const REFUSALS = ['false', '0', 'no'];

export function cookieNamesOf(apiKey: string): CookieNames {
  const key = apiKey.replaceAll('+', 'PL').replaceAll('/', 'SL').replaceAll('=', 'EQ');
  const consent = [apiKey, key].map((one) => `__ph_opt_in_out_${one}`);
  return { state: `ph_${key}_posthog`, consent: [...new Set(consent)] };
}

/**
 * Reads the state that posthog-js keeps in a cookie. undefined if there is none that can be read, or if the user has refused consent. Never
 * throws for any header.
 *
 * @param now epoch milliseconds
 */
export function readBrowserState(request: RequestFields, names: CookieNames, now: number): BrowserState | undefined {
  const header = cookieHeaderOf(request);
  if (header === undefined || !header.includes(names.state)) return undefined;
  for (const name of names.consent) {
    const consent = cookieOf(header, name);
    if (consent !== undefined && REFUSALS.includes(unquoted(consent.trim()).toLowerCase())) return undefined;
  }
  const state = parse(cookieOf(header, names.state));
  if (state === undefined) return undefined;
  const { distinct_id: distinctId, $user_state: userState, $sesid: session } = state;
  return {
    distinctId: userState === 'identified' && typeof distinctId === 'string' ? distinctId : undefined,
    sessionId: sessionOf(session, now),
  };
}

function cookieHeaderOf(request: RequestFields): string | undefined {
  const values: string[] = [];
  headerOf(request, 'cookie', (value) => void values.push(value));
  const header = values.join('; ');
  return header === '' || header.length > MAX_HEADER_LENGTH ? undefined : header;
}

/** The decoded value of a cookie. Of several with the same name, the first, which browsers send for the most specific path. */
function cookieOf(header: string, name: string): string | undefined {
  for (const pair of header.split(';')) {
    const text = pair.trim();
    // A name may contain an equals sign itself.
    if (!text.startsWith(`${name}=`)) continue;
    try {
      return decodeURIComponent(unquoted(text.slice(name.length + 1).trim()));
    } catch {
      return undefined;
    }
  }
  return undefined;
}

const unquoted = (value: string): string => (/^".*"$/s.test(value) ? value.slice(1, -1) : value);

function parse(text: string | undefined): Readonly<Record<string, unknown>> | undefined {
  if (text === undefined) return undefined;
  try {
    const state: unknown = JSON.parse(text);
    return typeof state === 'object' && state !== null ? (state as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/** @param session time of the last activity, id, and time of the start, in epoch milliseconds */
function sessionOf(session: unknown, now: number): string | undefined {
  if (!Array.isArray(session)) return undefined;
  const [lastActivity, id, start] = session as unknown[];
  // The client's clock may be fast as well as slow.
  const isWithin = (time: unknown, ms: number): boolean => typeof time === 'number' && Math.abs(now - time) <= ms;
  const isOpen = isWithin(lastActivity, MAX_IDLE_MS) && isWithin(start, MAX_SESSION_MS);
  return isOpen && typeof id === 'string' ? id : undefined;
}
