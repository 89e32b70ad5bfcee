import { type Fault, type ResultsFault } from './faults.js';
import { type CaptureFormat, type StoredEvent } from './recorded.js';
import { errorResponse, json, type ResponsePlan, retryHeader, withFault } from './response.js';
import { type EventResult, type Validation } from './validation.js';

export interface EventOutcome {
  readonly stored: StoredEvent;
  /** Position in the batch. */
  readonly index: number;
  readonly kept: boolean;
  readonly result: EventResult;
}

export interface ValidatedRequest {
  readonly format: CaptureFormat;
  readonly refusal: Validation['refusal'];
  readonly outcomes: readonly EventOutcome[];
}

const STORED_RESULTS = ['ok', 'warning', 'limited'];
/** PostHog's value. */
const RETRY_AFTER_SECONDS = 1;

/** Plans the response to a batch, modified by a fault. */
export function planCaptureResponse(validated: ValidatedRequest, fault: Fault | null): ResponsePlan {
  if (fault === null) return normalPlan(validated);
  return withFault(faultyPlan(validated, fault), fault, errorFormOf(validated.format));
}

/** Applies the faults that depend on events. */
function faultyPlan(validated: ValidatedRequest, fault: Fault): ResponsePlan {
  if ('results' in fault) return normalPlan(withResults(validated, fault), fault.retryAfter);
  if ('poison' in fault) return normalPlan(withPoison(validated, fault.poison));
  if ('maxEvents' in fault && validated.refusal === null && validated.outcomes.length > fault.maxEvents) {
    const refusal = { status: 413, message: `the batch has more than ${fault.maxEvents} events` };
    return normalPlan({ ...validated, refusal });
  }
  return normalPlan(validated);
}

function normalPlan(
  { format, refusal, outcomes }: ValidatedRequest,
  retryAfter: string | number | null = RETRY_AFTER_SECONDS,
): ResponsePlan {
  if (refusal !== null) {
    const response = errorResponse(errorFormOf(format), refusal.status, refusal.message);
    return { delayMs: 0, store: [], response, mode: 'whole' };
  }
  const store = outcomes.filter(({ kept }) => kept).map(({ stored }) => stored);
  if (format === 'v0') return { delayMs: 0, store, response: json(200, { status: 'Ok' }), mode: 'whole' };
  const results = Object.fromEntries(outcomes.map(({ stored, result }) => [stored.uuid, result]));
  const mayRetry = outcomes.some(({ result }) => result.result === 'retry');
  const response = json(200, { results }, mayRetry ? retryHeader(retryAfter) : {});
  return { delayMs: 0, store, response, mode: 'whole' };
}

function withResults(validated: ValidatedRequest, { results }: ResultsFault): ValidatedRequest {
  const outcomes = validated.outcomes.map((outcome) => {
    const result = outcome.kept ? results(outcome.stored, outcome.index) : undefined;
    return result === undefined ? outcome : { ...outcome, result, kept: STORED_RESULTS.includes(result.result) };
  });
  return { ...validated, outcomes };
}

function withPoison(validated: ValidatedRequest, poison: (event: StoredEvent) => boolean): ValidatedRequest {
  const isPoison = ({ stored }: EventOutcome): boolean => poison(stored);
  if (validated.format === 'v0') {
    if (validated.refusal !== null || !validated.outcomes.some(isPoison)) return validated;
    return { ...validated, refusal: { status: 400, message: 'the batch contains a poisoned event' } };
  }
  const drop = { kept: false, result: { result: 'drop', details: 'poisoned' } };
  return { ...validated, outcomes: validated.outcomes.map((one) => (isPoison(one) ? { ...one, ...drop } : one)) };
}

/** v0 errors are plain text, v1 errors are JSON. */
function errorFormOf(format: CaptureFormat): 'text' | 'json' {
  return format === 'v0' ? 'text' : 'json';
}
