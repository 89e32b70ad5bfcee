import { type IncomingMessage, type ServerResponse } from 'node:http';
import { type Timers } from '../timers.js';
import { type Endpoint, type Examination, type OpenRequest } from './endpoint.js';
import { type Fault } from './faults.js';
import { type Memory } from './memory.js';
import { type StoredEvent } from './recorded.js';
import { decodeBody, readRawBody } from './request-body.js';
import { sendResponse } from './response.js';

export interface RequestHandlerParts {
  readonly memory: Memory;
  readonly timers: Timers;
  /** Returns null for a path that is not an endpoint of PostHog. */
  readonly endpointAt: (path: string) => Endpoint | null;
  /** Called after every change of `memory`. */
  readonly changed: () => void;
  /** Called for each stored event. */
  readonly stored: (event: StoredEvent) => void;
}

/** Handles requests as PostHog does, or as a fault requires. */
export class RequestHandler {
  readonly #parts: RequestHandlerParts;

  constructor(parts: RequestHandlerParts) {
    this.#parts = parts;
  }

  /** Never rejects. */
  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const record = openRequest(request);
    try {
      const endpoint = this.#parts.endpointAt(record.path);
      if (endpoint === null || !endpoint.methods.includes(record.method))
        this.#refuse(record, endpoint, request, response);
      else await this.#accept(record, endpoint, request, response);
    } catch (error) {
      // Only callbacks of the test throw here: those of a fault, and flags that are functions.
      record.status = 500;
      this.#callbackThrew(record, error);
      if (!response.headersSent) response.writeHead(500, { 'content-type': 'text/plain; charset=utf-8' });
      response.end('A callback threw an error.');
    }
  }

  async #accept(
    record: OpenRequest,
    endpoint: Endpoint,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const { timers } = this.#parts;
    record.endpoint = endpoint.name;
    record.format = endpoint.format;
    const early = endpoint.faults.onHeaders();
    if (early && 'reset' in early && early.reset === 'before') {
      this.#remember(record, endpoint.examine(record, null));
      const { delayMs = 0 } = early;
      if (delayMs === 0 || (await timers.sleep(delayMs))) request.socket.resetAndDestroy();
      return;
    }
    const raw = await readRawBody(request, endpoint.limits.maxWireBytes);
    if (raw.kind === 'aborted') {
      record.aborted = true;
      this.#remember(record, endpoint.examine(record, null));
      return;
    }
    const body = await decodeBody(raw, record.headers['content-encoding'], endpoint.limits);
    if ('text' in body) record.text = body.text;
    const examination = endpoint.examine(record, body);
    this.#remember(record, examination);
    const fault = early === undefined ? endpoint.faults.onRequest(record) : early;
    await this.#respond(record, examination, fault, response);
  }

  async #respond(
    record: OpenRequest,
    examination: Examination,
    fault: Fault | null,
    response: ServerResponse,
  ): Promise<void> {
    const { memory, timers, changed, stored } = this.#parts;
    const plan = examination.plan(fault);
    record.aborted = response.destroyed;
    let endedByServer = false;
    response.on('close', () => {
      if (endedByServer || response.writableFinished) return;
      record.aborted = true;
      changed();
    });
    if (plan.delayMs > 0 && !(await timers.sleep(plan.delayMs))) return;
    memory.addEvents(plan.store);
    endedByServer = plan.mode === 'half' || plan.mode === 'reset';
    if (!record.aborted) record.status = plan.response?.status ?? null;
    try {
      plan.store.forEach(stored);
    } catch (error) {
      this.#callbackThrew(record, error);
    }
    changed();
    if (!record.aborted) await sendResponse(response, plan, timers);
  }

  #callbackThrew(record: OpenRequest, error: unknown): void {
    const detail = `a callback threw an error: ${error instanceof Error ? error.message : String(error)}`;
    this.#parts.memory.addViolations(record, [{ rule: 'callback_threw', detail }]);
    this.#parts.changed();
  }

  #remember(record: OpenRequest, { json, events, violations }: Examination): void {
    record.json = json;
    record.events = events;
    const path = record.path.includes('//')
      ? [{ rule: 'path', detail: `${record.path} contains an empty segment` }]
      : [];
    this.#parts.memory.addRequest(record, [...path, ...violations]);
    this.#parts.changed();
  }

  #refuse(record: OpenRequest, endpoint: Endpoint | null, request: IncomingMessage, response: ServerResponse): void {
    request.resume();
    const violation =
      endpoint === null
        ? { rule: 'path', detail: `${record.path} is not an endpoint of PostHog's API for SDKs` }
        : {
            rule: 'method',
            detail: `${record.method} ${record.path} must be a ${endpoint.methods.join(' or ')} request`,
          };
    record.status = endpoint === null ? 404 : 405;
    this.#parts.memory.addRequest(record, [violation]);
    this.#parts.changed();
    response.writeHead(record.status, { 'content-type': 'text/plain; charset=utf-8' }).end(violation.detail);
  }
}

function openRequest(request: IncomingMessage): OpenRequest {
  const headers: Record<string, string> = {};
  for (const [name, values] of Object.entries(request.headersDistinct)) headers[name] = (values ?? []).join(', ');
  // A client behind an HTTP proxy sends an absolute URL.
  const [path = '', query = ''] = (request.url ?? '').replace(/^https?:\/\/[^/]*/, '').split('?', 2);
  return {
    index: -1,
    method: request.method ?? '',
    path,
    query,
    headers,
    endpoint: null,
    format: null,
    encoding: headers['content-encoding'] ?? 'none',
    text: null,
    json: undefined,
    events: 0,
    receivedAt: Date.now(),
    status: null,
    aborted: false,
  };
}
