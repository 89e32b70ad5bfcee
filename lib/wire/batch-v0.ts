import { type BatchOutcome } from '../delivery/delivery.js';
import { isObject } from '../shared/untrusted-values.js';
import { type HttpResponse } from './http-client.js';
import { type PostHogEvent } from './posthog-event.js';
import { notFromPostHog } from './status-table.js';
import { bodyOf, type WireFormat } from './wire-format.js';

const STORED: BatchOutcome = { kind: 'settled', rejected: [], retry: [] };

/** Longer than any response of PostHog. */
const MAX_BODY_LENGTH = 10_000;

/**
 * PostHog's batch endpoint, which every server supports. The body contains the key and the send time, and a success applies to the
 * whole batch.
 */
export const batchV0: WireFormat = {
  name: 'v0',

  encode: (event) => event,

  decode: (encoded) => encoded as PostHogEvent,

  request: (batch, { apiKey, historicalMigration, sentAt }) => ({
    path: '/batch/',
    headers: {},
    body: bodyOf(
      `{"api_key":${JSON.stringify(apiKey)},"batch":[`,
      batch,
      `],"sent_at":"${sentAt}"${historicalMigration ? ',"historical_migration":true' : ''}}`,
    ),
  }),

  interpret: (response, _batch, { names }) =>
    isFromPostHog(response) ? STORED : { kind: 'refused', failure: notFromPostHog(response.status, names) },
};

/**
 * PostHog answers 200 with a JSON object: `{"status":"Ok"}`, `{"status":1}` from older servers. An empty body says nothing and is
 * accepted, as is one that broke off, unless it cannot be the beginning of that object.
 */
function isFromPostHog({ status, headers, body }: HttpResponse): boolean {
  if (status !== 200) return false;
  const text = body.text.trim();
  if (body.isComplete) return text === '' || (text.length <= MAX_BODY_LENGTH && isSuccess(text));
  const type = headers['content-type'];
  return (text === '' || text.startsWith('{')) && (typeof type !== 'string' || /json/i.test(type));
}

function isSuccess(text: string): boolean {
  try {
    const body: unknown = JSON.parse(text);
    if (!isObject(body)) return isSuccessStatus(body);
    return 'status' in body ? isSuccessStatus(body.status) : Object.keys(body).every((key) => key === 'quota_limited');
  } catch {
    return false;
  }
}

const isSuccessStatus = (status: unknown): boolean =>
  status === 1 || (typeof status === 'string' && /^(?:1|ok)$/i.test(status));
