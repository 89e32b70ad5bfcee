import { type ServerResponse } from 'node:http';
import { type Timers } from '../timers.js';
import { type Fault, type ResultsFault, type StatusFault } from './faults.js';
import { type CaptureFormat, type StoredEvent } from './recorded.js';
import { type EventResult, type Validation } from './validation.js';

export interface EventOutcome {
  readonly stored: StoredEvent;
  /** Position in the batch. */
  readonly index: number;
  readonly kept: boolean;
  readonly result: EventResult;
}

export interface PlannedResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface ResponsePlan {
  readonly delayMs: number;
  /** Events to store before the response is sent. */
  readonly store: readonly StoredEvent[];
  /** null: none is sent. */
  readonly response: PlannedResponse | null;
  readonly mode: 'whole' | 'half' | 'reset' | 'hang' | { readonly slowMs: number };
}

export interface ValidatedRequest {
  readonly format: CaptureFormat;
  readonly refusal: Validation['refusal'];
  readonly outcomes: readonly EventOutcome[];
}

const STORED_RESULTS = ['ok', 'warning', 'limited'];
/** PostHog's value. */
const RETRY_AFTER_SECONDS = 1;
/** Number of pieces in which a slow body is sent. */
const SLOW_PIECES = 8;

/** Plans PostHog's response, modified by a fault. */
export function planResponse(validated: ValidatedRequest, fault: Fault | null): ResponsePlan {
  const normal = defaultPlan(validated);
  return fault === null ? normal : { ...normal, ...applyFault(validated, normal, fault), delayMs: fault.delayMs ?? 0 };
}

function applyFault(validated: ValidatedRequest, normal: ResponsePlan, fault: Fault): Partial<ResponsePlan> {
  if ('status' in fault) {
    return {
      response: statusResponse(validated.format, fault, normal.response),
      store: fault.store === true ? normal.store : [],
    };
  }
  if ('reset' in fault) return { response: null, mode: 'reset', store: fault.reset === 'after' ? normal.store : [] };
  if ('hang' in fault) return { response: null, mode: 'hang', store: [] };
  if ('results' in fault) return defaultPlan(withResults(validated, fault), fault.retryAfter);
  if ('halfAnswer' in fault) return { mode: 'half' };
  if ('invalidJson' in fault) {
    return normal.response?.status === 200 ? { response: { ...normal.response, body: '<!doctype' } } : {};
  }
  if ('slowBodyMs' in fault) return { mode: { slowMs: fault.slowBodyMs } };
  if ('redirect' in fault) {
    return { response: { ...plainText(307, ''), headers: { location: fault.redirect } }, store: [] };
  }
  if ('maxEvents' in fault) {
    if (validated.refusal !== null || validated.outcomes.length <= fault.maxEvents) return {};
    return defaultPlan({
      ...validated,
      refusal: { status: 413, message: `the batch has more than ${fault.maxEvents} events` },
    });
  }
  if ('poison' in fault) return defaultPlan(withPoison(validated, fault.poison));
  return {};
}

function defaultPlan(
  { format, refusal, outcomes }: ValidatedRequest,
  retryAfter: string | number | null = RETRY_AFTER_SECONDS,
): ResponsePlan {
  if (refusal !== null) {
    return { delayMs: 0, store: [], response: errorResponse(format, refusal.status, refusal.message), mode: 'whole' };
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

function statusResponse(format: CaptureFormat, fault: StatusFault, normal: PlannedResponse | null): PlannedResponse {
  const { status, body = null } = fault;
  let response = errorResponse(format, status, `scripted ${status}`);
  if (typeof body === 'string') response = plainText(status, body);
  else if (body !== null) response = json(status, body);
  else if (status >= 200 && status < 300 && normal?.status === 200) response = { ...normal, status };
  return { ...response, headers: { ...response.headers, ...retryHeader(fault.retryAfter), ...fault.headers } };
}

/** v0 errors are plain text, v1 errors are JSON. */
function errorResponse(format: CaptureFormat, status: number, message: string): PlannedResponse {
  return format === 'v0' ? plainText(status, message) : json(status, { error: 'error', error_description: message });
}

function plainText(status: number, body: string): PlannedResponse {
  return { status, headers: { 'content-type': 'text/plain; charset=utf-8' }, body };
}

function json(status: number, body: object, headers: Readonly<Record<string, string>> = {}): PlannedResponse {
  return { status, headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) };
}

function retryHeader(retryAfter: string | number | null = null): Record<string, string> {
  return retryAfter === null ? {} : { 'retry-after': String(retryAfter) };
}

export async function sendResponse(outgoing: ServerResponse, plan: ResponsePlan, timers: Timers): Promise<void> {
  const { response, mode } = plan;
  if (mode === 'hang') return;
  if (mode === 'reset' || response === null) {
    outgoing.socket?.resetAndDestroy();
    return;
  }
  const body = Buffer.from(response.status === 204 ? '' : response.body);
  writeHead(outgoing, response, body.length);
  if (mode === 'whole') {
    outgoing.end(body);
  } else if (mode === 'half') {
    // Destroyed once the half has been flushed, as the client might otherwise receive none of it.
    outgoing.write(body.subarray(0, Math.ceil(body.length / 2)), () => outgoing.destroy());
  } else {
    await sendSlowly(outgoing, body, mode.slowMs, timers);
  }
}

function writeHead(outgoing: ServerResponse, response: PlannedResponse, length: number): void {
  outgoing.writeHead(response.status, { ...response.headers, 'content-length': length });
}

async function sendSlowly(outgoing: ServerResponse, body: Buffer, slowMs: number, timers: Timers): Promise<void> {
  outgoing.flushHeaders();
  const size = Math.max(1, Math.ceil(body.length / SLOW_PIECES));
  for (let piece = 0; piece < SLOW_PIECES; piece++) {
    if (!(await timers.sleep(slowMs / SLOW_PIECES)) || outgoing.destroyed) return;
    outgoing.write(body.subarray(piece * size, (piece + 1) * size));
  }
  outgoing.end();
}
