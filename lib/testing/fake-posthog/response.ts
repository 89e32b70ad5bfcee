import { type ServerResponse } from 'node:http';
import { type Timers } from '../timers.js';
import { type Fault, type StatusFault } from './faults.js';
import { type StoredEvent } from './recorded.js';

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

/** Number of pieces in which a slow body is sent. */
const SLOW_PIECES = 8;

/** The body of an error response. */
export type ErrorForm = 'text' | 'json' | 'rest';

/** Applies a fault to the normal response. Faults that depend on events have no effect here. */
export function withFault(normal: ResponsePlan, fault: Fault, errors: ErrorForm): ResponsePlan {
  return { ...normal, ...applyFault(normal, fault, errors), delayMs: fault.delayMs ?? 0 };
}

function applyFault(normal: ResponsePlan, fault: Fault, errors: ErrorForm): Partial<ResponsePlan> {
  if ('status' in fault) {
    return {
      response: statusResponse(errors, fault, normal.response),
      store: fault.store === true ? normal.store : [],
    };
  }
  if ('reset' in fault) return { response: null, mode: 'reset', store: fault.reset === 'after' ? normal.store : [] };
  if ('hang' in fault) return { response: null, mode: 'hang', store: [] };
  if ('halfAnswer' in fault) return { mode: 'half' };
  if ('invalidJson' in fault) {
    return normal.response?.status === 200 ? { response: { ...normal.response, body: '<!doctype' } } : {};
  }
  if ('slowBodyMs' in fault) return { mode: { slowMs: fault.slowBodyMs } };
  if ('redirect' in fault) {
    return { response: { ...plainText(307, ''), headers: { location: fault.redirect } }, store: [] };
  }
  return {};
}

function statusResponse(errors: ErrorForm, fault: StatusFault, normal: PlannedResponse | null): PlannedResponse {
  const { status, body = null } = fault;
  let response = errorResponse(errors, status, `scripted ${status}`);
  if (typeof body === 'string') response = plainText(status, body);
  else if (body !== null) response = json(status, body);
  else if (status >= 200 && status < 300 && normal?.status === 200) response = { ...normal, status };
  return { ...response, headers: { ...response.headers, ...retryHeader(fault.retryAfter), ...fault.headers } };
}

export function errorResponse(form: ErrorForm, status: number, message: string): PlannedResponse {
  if (form === 'text') return plainText(status, message);
  if (form === 'json') return json(status, { error: 'error', error_description: message });
  return json(status, { type: 'error', code: 'error', detail: message, attr: null });
}

function plainText(status: number, body: string): PlannedResponse {
  return { status, headers: { 'content-type': 'text/plain; charset=utf-8' }, body };
}

export function json(status: number, body: object, headers: Readonly<Record<string, string>> = {}): PlannedResponse {
  return { status, headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) };
}

export function retryHeader(retryAfter: string | number | null = null): Record<string, string> {
  return retryAfter === null ? {} : { 'retry-after': String(retryAfter) };
}

export async function sendResponse(outgoing: ServerResponse, plan: ResponsePlan, timers: Timers): Promise<void> {
  const { response, mode } = plan;
  if (mode === 'hang') return;
  if (mode === 'reset' || response === null) {
    outgoing.socket?.resetAndDestroy();
    return;
  }
  const hasBody = response.status !== 204 && response.status !== 304;
  const body = Buffer.from(hasBody ? response.body : '');
  outgoing.writeHead(response.status, { ...response.headers, ...(hasBody ? { 'content-length': body.length } : {}) });
  if (mode === 'whole') {
    outgoing.end(body);
  } else if (mode === 'half') {
    // Destroyed once the half has been flushed, as the client might otherwise receive none of it.
    outgoing.write(body.subarray(0, Math.ceil(body.length / 2)), () => outgoing.destroy());
  } else {
    await sendSlowly(outgoing, body, mode.slowMs, timers);
  }
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
