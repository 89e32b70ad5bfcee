/** Which of PostHog's two ingestion endpoints a request spoke: `POST /batch/` is v0, `POST /i/v1/analytics/events` is v1. */
export type CaptureFormat = 'v0' | 'v1';

/** One event as PostHog would have kept it. Sent twice and accepted twice, it stands here twice. */
export interface StoredEvent {
  /** Lower-case. */
  readonly uuid: string;
  readonly event: string;
  readonly distinct_id: string;
  /** As it was sent. */
  readonly timestamp: string;
  /** As they were sent; for v1 also `$lib` and `$lib_version`, which PostHog takes from the `PostHog-Sdk-Info` header. */
  readonly properties: Readonly<Record<string, unknown>>;
  /** v1 only, and only when sent. */
  readonly options?: Readonly<Record<string, unknown>>;
  /** v1 only, and only when sent. */
  readonly session_id?: string;
  /** v1 only, and only when sent. */
  readonly window_id?: string;
  readonly format: CaptureFormat;
  /** The `index` of the request that brought it. */
  readonly requestIndex: number;
  /** Epoch milliseconds of the arrival of that request. */
  readonly receivedAt: number;
}

/**
 * One request, remembered as soon as its body has arrived (or is known never to). It is live: `status` and `aborted`
 * are filled in when the request is answered or its client goes away.
 */
export interface RecordedRequest {
  /** 0, 1, 2 … in the order in which the requests became complete. */
  readonly index: number;
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  /** Names in lower case; a repeated header is joined with a comma. */
  readonly headers: Readonly<Record<string, string>>;
  /** null: neither of the two endpoints. */
  readonly format: CaptureFormat | null;
  /** `Content-Encoding` as sent, `none` without one. */
  readonly encoding: string;
  /** The body after decompression; null when it did not arrive or could not be decoded. */
  readonly text: string | null;
  /** `text` parsed; undefined when it is no JSON object. */
  readonly json: unknown;
  /** How many events the body holds, accepted or not. */
  readonly events: number;
  /** Epoch milliseconds of the arrival of its headers. */
  readonly receivedAt: number;
  /** The status answered; null while, and if for ever, there is none. */
  readonly status: number | null;
  /** true: the client went away before it had the whole answer. */
  readonly aborted: boolean;
}

/** A rule of PostHog's API that a request broke, whether PostHog would refuse it or silently lose or alter data. */
export interface Violation {
  /** The rule's name, e.g. `distinct_id_blank`. */
  readonly rule: string;
  /** What was wrong, in a sentence. Never holds a key. */
  readonly detail: string;
  /** The `index` of the request. */
  readonly requestIndex: number;
}
