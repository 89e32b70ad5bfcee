import { type IncomingMessage, type ServerResponse } from 'node:http';
import { type Timers } from '../timers.js';
import { type Fault, type FaultScript } from './faults.js';
import { type Memory, type OpenRequest, toStoredEvent } from './memory.js';
import { PROTOCOL_V0, PROTOCOL_V1 } from './protocols.js';
import { type StoredEvent } from './recorded.js';
import { decodeBody, readRawBody } from './request-body.js';
import { planResponse, sendResponse } from './response.js';
import { RetryLedger } from './retry-ledger.js';
import { type Validation, type Protocol } from './validation.js';

export interface IngestionParts {
  readonly apiKey: string | null;
  readonly maxRemembered: number;
  readonly memory: Memory;
  readonly faults: FaultScript;
  readonly timers: Timers;
  /** Called after every change of `memory`. */
  readonly changed: () => void;
  /** Called for each stored event. */
  readonly stored: (event: StoredEvent) => void;
}

const NOT_VALIDATED: Validation = { violations: [], refusal: null, json: undefined, batch: [], events: [] };

/** Handles capture requests as PostHog does, or as a fault requires. */
export class Ingestion {
  readonly #parts: IngestionParts;
  readonly #ledger: RetryLedger;

  constructor(parts: IngestionParts) {
    this.#parts = parts;
    this.#ledger = new RetryLedger(parts.maxRemembered);
  }

  clear(): void {
    this.#ledger.clear();
  }

  /** Never rejects. */
  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const record = openRequest(request);
    try {
      const protocol = protocolAt(record.path);
      if (protocol === null || record.method !== 'POST') this.#refuseEndpoint(record, protocol, request, response);
      else await this.#ingest(record, protocol, request, response);
    } catch (error) {
      // Only callbacks of a fault, which the test provides, throw here.
      record.status = 500;
      this.#callbackThrew(record, error);
      if (!response.headersSent) response.writeHead(500, { 'content-type': 'text/plain; charset=utf-8' });
      response.end('A callback of a fault threw an error.');
    }
  }

  async #ingest(
    record: OpenRequest,
    protocol: Protocol,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const { faults, timers, apiKey } = this.#parts;
    record.format = protocol.format;
    const early = faults.onHeaders();
    if (early && 'reset' in early && early.reset === 'before') {
      this.#remember(record, NOT_VALIDATED, protocol);
      const { delayMs = 0 } = early;
      if (delayMs === 0 || (await timers.sleep(delayMs))) request.socket.resetAndDestroy();
      return;
    }
    const raw = await readRawBody(request, protocol.maxWireBytes);
    if (raw.kind === 'aborted') {
      record.aborted = true;
      this.#remember(record, NOT_VALIDATED, protocol);
      return;
    }
    const body = await decodeBody(raw, record.headers['content-encoding'], protocol);
    if ('text' in body) record.text = body.text;
    const validation = protocol.validate(record.headers, body, apiKey);
    this.#remember(record, validation, protocol);
    await this.#respond(record, validation, early === undefined ? faults.onRequest(record) : early, response);
  }

  async #respond(
    record: OpenRequest,
    validation: Validation,
    fault: Fault | null,
    response: ServerResponse,
  ): Promise<void> {
    const { memory, timers, changed, stored } = this.#parts;
    const outcomes = validation.events.map(({ wire, ...rest }) => ({ ...rest, stored: toStoredEvent(wire, record) }));
    const plan = planResponse({ format: record.format ?? 'v0', refusal: validation.refusal, outcomes }, fault);
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

  #remember(record: OpenRequest, validation: Validation, protocol: Protocol): void {
    const { memory, changed } = this.#parts;
    record.json = validation.json;
    record.events = validation.batch.length;
    const { json, batch } = validation;
    const observed = { format: protocol.format, headers: record.headers, receivedAt: record.receivedAt, json, batch };
    const path = record.path.includes('//')
      ? [{ rule: 'path', detail: `${record.path} contains an empty segment` }]
      : [];
    memory.addRequest(record, [...path, ...validation.violations, ...this.#ledger.observe(observed)]);
    changed();
  }

  #refuseEndpoint(
    record: OpenRequest,
    protocol: Protocol | null,
    request: IncomingMessage,
    response: ServerResponse,
  ): void {
    request.resume();
    const violation =
      protocol === null
        ? { rule: 'path', detail: `${record.path} is not an endpoint of PostHog's capture API` }
        : { rule: 'method', detail: `${record.method} ${record.path} must be a POST request` };
    record.status = protocol === null ? 404 : 405;
    this.#parts.memory.addRequest(record, [violation]);
    this.#parts.changed();
    response.writeHead(record.status, { 'content-type': 'text/plain; charset=utf-8' }).end(violation.detail);
  }
}

/** Accepts any path prefix, as a reverse proxy may add one. */
function protocolAt(path: string): Protocol | null {
  if (path.endsWith('/i/v1/analytics/events')) return PROTOCOL_V1;
  if (path.endsWith('/batch/') || path.endsWith('/batch')) return PROTOCOL_V0;
  return null;
}

function openRequest(request: IncomingMessage): OpenRequest {
  const headers: Record<string, string> = {};
  for (const [name, values] of Object.entries(request.headersDistinct)) headers[name] = (values ?? []).join(', ');
  return {
    index: -1,
    method: request.method ?? '',
    // A client behind an HTTP proxy sends an absolute URL.
    path: (request.url ?? '').replace(/^https?:\/\/[^/]*/, '').split('?', 1)[0] ?? '',
    headers,
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
