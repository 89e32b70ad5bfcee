import { createHash, randomUUID } from 'node:crypto';
import { type EventFeed } from '../../live/event-feed.js';
import { type LiveProbe, type LiveSource } from '../../live/live-view.js';
import { type LiveLayout, type LiveSample, type LiveState, type LiveHint } from '../../live/messages.js';
import { isJsonObject, type JsonObject } from './json-values.js';
import { type Memory } from './memory.js';
import { type RecordedRequest, type StoredEvent } from './recorded.js';

export interface PageParts {
  readonly url: string;
  /** The only accepted key, which the page never shows; null: any. */
  readonly apiKey: string | null;
  readonly memory: Memory;
  /** Calls the listener after every change of `memory`. Returns a function that removes it. */
  readonly onChange: (listener: () => void) => () => void;
}

/** Number of earlier events that a newly opened page shows. */
const MAX_PAST = 500;
/** Fields of a `StoredEvent` that are not part of the event. */
const REQUEST_FIELDS = new Set(['endpoint', 'format', 'requestIndex', 'receivedAt']);

/** The live page of a local PostHog: stored events, and refused ones with the violated rule. */
export function pageSource(parts: PageParts): LiveSource {
  const layout: LiveLayout = {
    title: 'Local PostHog',
    about: 'Events that were stored, and events that were refused, with the reason.',
    fates: [
      { id: 'stored', label: 'stored', tone: 'good', isFinal: true },
      { id: 'altered', label: 'rule violated', tone: 'warn', isFinal: true },
      { id: 'refused', label: 'refused', tone: 'bad', isFinal: true },
    ],
    charts: [
      { label: 'Events stored', unit: 'rate', series: [{ key: 'stored', label: 'stored' }] },
      {
        label: 'Requests',
        unit: 'rate',
        series: [
          { key: 'requests', label: 'all' },
          { key: 'refused', label: 'refused' },
        ],
      },
      { label: 'Events per request', unit: 'count', series: [{ key: 'size', label: 'events' }] },
    ],
    counters: [
      { key: 'stored', label: 'Stored' },
      { key: 'refused', label: 'Refused' },
    ],
    hint: emptyHint(parts.url, parts.apiKey === null),
  };
  return { layout, attach: (feed) => new PageProbe(parts, feed) };
}

/** Shows every request once, when it is complete; requests for flags only if they violated a rule or failed. */
class PageProbe implements LiveProbe {
  readonly #parts: PageParts;
  readonly #feed: EventFeed;
  readonly #open = new Set<RecordedRequest>();
  readonly detach: () => void;
  #next: number;
  #last: RecordedRequest | null = null;
  #second = { requests: 0, refused: 0, stored: 0 };

  constructor(parts: PageParts, feed: EventFeed) {
    this.#parts = parts;
    this.#feed = feed;
    this.#next = firstShown(parts.memory.requests);
    this.#update();
    this.#second = { requests: 0, refused: 0, stored: 0 };
    this.detach = parts.onChange(() => this.#update());
  }

  state(): LiveState {
    const { memory } = this.#parts;
    const count = `${memory.events.length} ${memory.events.length === 1 ? 'event' : 'events'} stored`;
    const last = this.#last;
    if (last === null) return { tone: 'idle', text: 'Listening; no event has arrived yet', nextAt: null };
    if (!isRefusal(last)) return { tone: 'good', text: `Listening; ${count}`, nextAt: null };
    const response = last.status === null ? 'got no response' : `failed with HTTP ${last.status}`;
    return { tone: 'bad', text: `The last request ${response}; ${count}`, nextAt: null };
  }

  sample(): LiveSample {
    const { requests, refused, stored } = this.#second;
    this.#second = { requests: 0, refused: 0, stored: 0 };
    return { requests, refused, stored, size: requests === 0 ? null : stored / requests };
  }

  #update(): void {
    const { requests } = this.#parts.memory;
    const newest = requests.at(-1)?.index ?? -1;
    // The memory was cleared, which resets the index.
    if (newest < this.#next - 1) {
      this.#next = 0;
      this.#open.clear();
    }
    for (let at = requests.length - 1; at >= 0; at--) {
      const request = requests[at];
      if (request === undefined || request.index < this.#next) break;
      this.#open.add(request);
    }
    this.#next = newest + 1;
    for (const request of [...this.#open].sort((one, other) => one.index - other.index)) {
      if (request.status === null && !request.aborted) continue;
      this.#open.delete(request);
      this.#show(request);
    }
  }

  #show(request: RecordedRequest): void {
    const { memory } = this.#parts;
    const stored = memory.events.filter(({ requestIndex }) => requestIndex === request.index);
    const violations = memory.violations.filter(({ requestIndex }) => requestIndex === request.index);
    const why = violations.map(({ rule, detail }) => `${rule}: ${detail}`).join('; ');
    if (request.format === null && why === '' && !isRefusal(request)) return;
    this.#last = request;
    this.#second.requests += 1;
    this.#second.stored += stored.length;
    if (isRefusal(request)) this.#second.refused += 1;

    stored.forEach((event, index) => {
      this.#add(request, index, storedFields(event), why === '' ? 'stored' : 'altered', why);
    });
    const kept = new Set(stored.map(({ uuid }) => uuid));
    const lost = batchOf(request).filter(({ uuid }) => !(typeof uuid === 'string' && kept.has(uuid.toLowerCase())));
    const response = request.status === null ? 'no response' : `HTTP ${request.status}`;
    const note = why === '' ? response : `${response}; ${why}`;
    lost.forEach((event, index) => {
      this.#add(request, stored.length + index, event, 'refused', note);
    });
    if (stored.length + lost.length > 0) return;
    const name = `${request.method} ${request.path}`;
    const fate = isRefusal(request) ? 'refused' : 'altered';
    const row = { id: `request-${request.index}`, name, text: null, bytes: 0, at: request.receivedAt };
    this.#feed.add(row, fate, { note });
  }

  #add(request: RecordedRequest, index: number, event: Readonly<JsonObject>, fate: string, note: string): void {
    const { apiKey } = this.#parts;
    const json = jsonOf(event);
    const text = apiKey === null ? json : json.replaceAll(apiKey, '***');
    const id = idOf(event) ?? `${String(event.uuid)}/${request.index}.${index}`;
    const name = nameOf(event);
    const before = this.#feed.find(id);
    // A retry replaces the refused attempt.
    if (before?.fate === 'refused') this.#feed.count(name, 'refused', -1);
    this.#feed.count(name, fate === 'refused' ? 'refused' : 'stored');
    const isRepeated = before !== undefined && before.fate !== 'refused';
    const notes = [note, ...(isRepeated ? ['stored before'] : [])].filter((part) => part !== '').join('; ');
    const attempts = (before?.attempts ?? 0) + 1;
    const bytes = Buffer.byteLength(text);
    this.#feed.add({ id, name, text, bytes, at: request.receivedAt }, fate, { note: notes, attempts });
  }
}

/** Returns the same id for every attempt to send an event; null if the event has no valid uuid. */
function idOf({ uuid, event, distinct_id: distinctId }: Readonly<JsonObject>): string | null {
  if (typeof uuid !== 'string') return null;
  const identity = jsonOf([uuid.toLowerCase(), event, distinctId]);
  const hash = createHash('sha256').update(identity).digest('base64url').slice(0, 12);
  return `${uuid.toLowerCase().slice(0, 36)}/${hash}`;
}

function isRefusal({ status }: RecordedRequest): boolean {
  // 304: flag definitions that have not changed.
  return status === null || (status >= 300 && status !== 304);
}

function nameOf(event: Readonly<JsonObject>): string {
  return typeof event.event === 'string' ? event.event : '(no name)';
}

function storedFields(event: StoredEvent): JsonObject {
  return Object.fromEntries(Object.entries(event).filter(([field]) => !REQUEST_FIELDS.has(field)));
}

function batchOf({ json }: RecordedRequest): JsonObject[] {
  const { batch } = Object(json) as { batch?: unknown };
  return Array.isArray(batch) ? batch.filter(isJsonObject) : [];
}

/** The index of the oldest request that contains one of the newest `MAX_PAST` events. */
function firstShown(requests: readonly RecordedRequest[]): number {
  let events = 0;
  let first = requests.at(-1)?.index ?? 0;
  for (let at = requests.length - 1; at >= 0 && events < MAX_PAST; at--) {
    events += Math.max(1, requests[at]?.events ?? 0);
    first = requests[at]?.index ?? first;
  }
  return first;
}

/** Returns `{}` for an event that is nested too deeply to be serialized. */
function jsonOf(event: unknown): string {
  try {
    return JSON.stringify(event);
  } catch {
    return '{}';
  }
}

/**
 * Explains how to send an event while the page is empty.
 *
 * @param anyKey true: the server accepts any API key
 */
export function emptyHint(url: string, anyKey: boolean): LiveHint {
  const key = anyKey ? 'phc_local' : '<the key that this server was started with>';
  const now = new Date().toISOString();
  const event = { event: 'hello', distinct_id: 'me', uuid: randomUUID(), timestamp: now, properties: {} };
  const body = JSON.stringify({ api_key: key, batch: [event], sent_at: now });
  return {
    title: 'No event has arrived yet',
    parts: [
      { text: 'Configure an application:' },
      { code: `POSTHOG_HOST=${url}\nPOSTHOG_API_KEY=${key}` },
      { text: 'or send an event from a terminal:' },
      { code: `curl ${url}/batch/ -H 'Content-Type: application/json' \\\n  -d '${body}'` },
    ],
  };
}
