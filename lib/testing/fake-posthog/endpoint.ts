import { type Fault } from './faults.js';
import { type CaptureFormat, type EndpointName, type RecordedRequest, type RuleViolation } from './recorded.js';
import { type BodyLimits, type RequestBody } from './request-body.js';
import { type ResponsePlan } from './response.js';

/** A request without a response yet. */
export type OpenRequest = { -readonly [Key in keyof RecordedRequest]: RecordedRequest[Key] };

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
