/** PostHog's two capture APIs: `v0` is `POST /batch/`, `v1` is `POST /i/v1/analytics/events`. */
export type CaptureFormat = 'v0' | 'v1';

/**
 * An endpoint: `analytics` (`/batch/` and `/i/v1/analytics/events`), `ai` (`/i/v0/ai/batch/` and `/i/v1/ai/events`), `flags`
 * (`/flags/?v=2`), `flag_definitions` (`/flags/definitions`) or `project` (the REST API for definitions of events).
 */
export type EndpointName = 'analytics' | 'ai' | 'flags' | 'flag_definitions' | 'project';

/** An event as PostHog stores it. An event that was sent and accepted twice is stored twice. */
export interface StoredEvent {
  /** In lower case. */
  readonly uuid: string;
  readonly event: string;
  readonly distinct_id: string;
  /** As sent. */
  readonly timestamp: string;
  /** As sent. With v1, PostHog adds `$lib` and `$lib_version` from the `PostHog-Sdk-Info` header. */
  readonly properties: Readonly<Record<string, unknown>>;
  /** Only in v1, and only if sent. */
  readonly options?: Readonly<Record<string, unknown>>;
  /** Only in v1, and only if sent. */
  readonly session_id?: string;
  /** Only in v1, and only if sent. */
  readonly window_id?: string;
  /** The endpoint that received the event. */
  readonly endpoint: 'analytics' | 'ai';
  readonly format: CaptureFormat;
  /** The `index` of the request that contained the event. */
  readonly requestIndex: number;
  /** Arrival of that request, in epoch milliseconds. */
  readonly receivedAt: number;
}

/**
 * A request, recorded as soon as its body has arrived or failed to arrive. The object is live: `status` and `aborted`
 * are set when the response is sent or the client disconnects.
 */
export interface RecordedRequest {
  /** Position in the order in which requests were recorded, from 0. */
  readonly index: number;
  readonly method: string;
  /** Without the query string. */
  readonly path: string;
  /** The query string without the question mark; empty if absent. */
  readonly query: string;
  /** Names are in lower case; repeated headers are joined with a comma. */
  readonly headers: Readonly<Record<string, string>>;
  /** null: the path is not an endpoint of PostHog. */
  readonly endpoint: EndpointName | null;
  /** null: the path is not an endpoint that stores events. */
  readonly format: CaptureFormat | null;
  /** `Content-Encoding` as sent; `none` if absent. */
  readonly encoding: string;
  /** The decompressed body; null if it did not arrive or could not be decoded. */
  readonly text: string | null;
  /** `text`, parsed; undefined if it is not a JSON object. */
  readonly json: unknown;
  /** Number of events in the body, accepted or not. */
  readonly events: number;
  /** Arrival of the headers, in epoch milliseconds. */
  readonly receivedAt: number;
  /** Status of the response; null until it is sent, and for ever if none is sent. */
  readonly status: number | null;
  /** true: the client disconnected before it received the whole response. */
  readonly aborted: boolean;
}

/** A violated rule of PostHog's API, including those for which PostHog silently discards or alters data. */
export interface Violation {
  /** The rule's name, e.g. `distinct_id_blank`. */
  readonly rule: string;
  /** Description of the problem. Never contains an API key. */
  readonly detail: string;
  /** The `index` of the request. */
  readonly requestIndex: number;
}

/** A `Violation` that is not yet assigned to a request. */
export interface RuleViolation {
  readonly rule: string;
  readonly detail: string;
}
