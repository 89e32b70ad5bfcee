import { type ActingContext, NO_CONTEXT } from './capture-context.js';
import { distinctIdOf, isIllegalDistinctId } from './distinct-id.js';
import { headerOf, type RequestFields } from './request-fields.js';

const MAX_LENGTH = 1000;
const CONTROL_CHARACTERS = /\p{Cc}/gu;

/**
 * Person and session as posthog-js says them in the headers of its requests, `X-PostHog-Distinct-Id` and `X-PostHog-Session-Id`.
 * They are the client's word: what is unusable in them is as good as missing, and nobody is warned.
 *
 * @param isPersonTrusted false takes the session only: the application itself knows who acts
 */
export function readTracingHeaders(request: RequestFields, isPersonTrusted: boolean): ActingContext {
  const distinctId = isPersonTrusted ? headerOf(request, 'x-posthog-distinct-id', person) : undefined;
  const sessionId = headerOf(request, 'x-posthog-session-id', clean);
  if (distinctId === undefined) return sessionId === undefined ? NO_CONTEXT : { sessionId };
  return sessionId === undefined ? { distinctId } : { distinctId, sessionId };
}

function clean(value: string): string | undefined {
  const text = value.replace(CONTROL_CHARACTERS, '').trim().slice(0, MAX_LENGTH);
  return text === '' ? undefined : text;
}

function person(value: string): string | undefined {
  const text = clean(value);
  const id = text === undefined ? null : distinctIdOf(text);
  return id !== null && !isIllegalDistinctId(id) ? id : undefined;
}
