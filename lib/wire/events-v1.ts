import { type BatchOutcome, type SendFailure } from '../delivery/delivery.js';
import { isNonBlank, isObject, setOwn } from '../shared/untrusted-values.js';
import { LIBRARY_NAME, LIBRARY_VERSION } from '../shared/version.js';
import { INGESTION_SWITCHES } from './ingestion-switches.js';
import { type PostHogEvent } from './posthog-event.js';
import { quotes } from './describe-error.js';
import { withoutResults } from './status-table.js';
import { bodyOf, type WireFormat } from './wire-format.js';

/** Properties in v0, and the options that replace them in v1. */
const OPTIONS = new Map<string, string>(INGESTION_SWITCHES.map(({ property, option }) => [property, option]));

/** The server reads these from the PostHog-Sdk-Info header instead. */
const isFromHeader = (name: string): boolean => name === '$lib' || name.startsWith('$lib_');

/** The only event with `distinct_id` among its properties, in addition to its root. */
const ALIAS = '$create_alias';

/** The rest of longer details is ignored. */
const MAX_DETAIL_LENGTH = 1000;

/**
 * PostHog's analytics endpoint, which returns a result for each event. The key is a bearer token, the send time a header, and a request
 * id identifies the same batch in every attempt.
 */
export const eventsV1: WireFormat = {
  name: 'v1',

  encode({ uuid, event, distinct_id, timestamp, properties }) {
    const kept: Record<string, unknown> = {};
    let options: Record<string, unknown> | undefined;
    for (const key of Object.keys(properties)) {
      const value = properties[key];
      const option = OPTIONS.get(key);
      if (option !== undefined) {
        if (value !== undefined && value !== null) (options ??= {})[option] = value;
      } else if (!isFromHeader(key) && (key !== 'distinct_id' || event === ALIAS)) {
        setOwn(kept, key, value);
      }
    }
    const encoded = { event, uuid, distinct_id, timestamp, properties: kept };
    return options ? { ...encoded, options } : encoded;
  },

  decode(encoded) {
    const { options = {}, properties, ...event } = encoded as PostHogEvent & { options?: Record<string, unknown> };
    const restored = { ...properties, $lib: LIBRARY_NAME, $lib_version: LIBRARY_VERSION };
    for (const [name, option] of OPTIONS) if (option in options) Object.assign(restored, { [name]: options[option] });
    return { ...event, properties: restored };
  },

  request: (batch, { apiKey, historicalMigration, attempt, sentAt }) => ({
    path: '/i/v1/analytics/events',
    headers: {
      Authorization: `Bearer ${apiKey}`,
      'PostHog-Sdk-Info': `${LIBRARY_NAME}/${LIBRARY_VERSION}`,
      'PostHog-Attempt': String(attempt),
      'PostHog-Request-Id': batch.id,
      'PostHog-Request-Timestamp': sentAt,
    },
    body: bodyOf(
      `{"created_at":"${new Date(batch.createdAt).toISOString()}",` +
        (historicalMigration ? '"historical_migration":true,' : '') +
        '"batch":[',
      batch,
      ']}',
    ),
  }),

  interpret({ status, body }, batch, { retryAfterMs, names }): BatchOutcome {
    const results = status === 200 && body.isComplete ? resultsOf(body.text) : NO_RESULTS;
    const rejected: { id: string; detail: string }[] = [];
    const retry: string[] = [];
    let failure: SendFailure | undefined;
    for (const { id, payload } of batch.events) {
      const result = results.get(id);
      if (result === undefined) failure ??= withoutResults(status, names);
      // Any other result counts as accepted: a newer server may have results that are unknown here.
      if (result === undefined || result.result === 'retry') retry.push(id);
      else if (result.result === 'drop') rejected.push({ id, detail: describeRejection(result.details, payload) });
    }
    return { kind: 'settled', rejected, retry, retryAfterMs, failure };
  },
};

interface EventResult {
  readonly result: string;
  readonly details?: unknown;
}

const NO_RESULTS: ReadonlyMap<string, EventResult> = new Map();

/** By uuid. Empty if the body cannot be read. */
function resultsOf(body: string): ReadonlyMap<string, EventResult> {
  try {
    const response: unknown = JSON.parse(body);
    if (!isObject(response) || !isObject(response.results)) return NO_RESULTS;
    return new Map(Object.entries(response.results).filter(isResult));
  } catch {
    return NO_RESULTS;
  }
}

function isResult(entry: [string, unknown]): entry is [string, EventResult] {
  return isObject(entry[1]) && isNonBlank(entry[1].result);
}

function describeRejection(details: unknown, payload: string): string {
  if (typeof details !== 'string' || details === '') return 'PostHog API error: event refused';
  const text = details.slice(0, MAX_DETAIL_LENGTH);
  return `PostHog API error: event refused: ${quotes(text, [payload]) ? 'the details are not shown because they quote the event' : text}`;
}
