import { type Fault } from './faults.js';
import { type CaptureFormat, type EndpointName, type RecordedRequest } from './recorded.js';
import { type ResponsePlan } from './response.js';
import { type RuleViolation } from './validation.js';

/** A request without a response yet. */
export type OpenRequest = { -readonly [Key in keyof RecordedRequest]: RecordedRequest[Key] };

/** The decoded body of a request, or the reason why it could not be decoded. */
export type RequestBody =
  { readonly text: string } | { readonly unreadable: RuleViolation & { readonly status: number } };

export interface BodyLimits {
  readonly maxWireBytes: number;
  readonly maxDecodedBytes: number;
  /** Supported values of `Content-Encoding`. */
  readonly encodings: readonly string[];
  /** The response status to any other `Content-Encoding`. */
  readonly unknownEncodingStatus: number;
}

/** An examined request. */
export interface Examination {
  readonly violations: readonly RuleViolation[];
  /** The parsed body; undefined if it is not a JSON object. */
  readonly json: unknown;
  /** Number of events in the body. */
  readonly events: number;
  /** Called once, after the request has been recorded. Not called if the body did not arrive. */
  plan(fault: Fault | null): ResponsePlan;
}

export interface Endpoint {
  readonly name: EndpointName;
  readonly methods: readonly string[];
  /** null: the endpoint takes no events. */
  readonly format: CaptureFormat | null;
  readonly limits: BodyLimits;
  /** Faults for the requests to this endpoint. */
  readonly faults: {
    onHeaders(): Fault | null | undefined;
    onRequest(request: RecordedRequest): Fault | null;
  };
  /** @param body null: it did not arrive */
  examine(request: OpenRequest, body: RequestBody | null): Examination;
}
