import { randomUUID } from 'node:crypto';
import { type ServerResponse } from 'node:http';
import { EventFeed } from './event-feed.js';
import { type Mask, masker, type PersonalOf } from './mask.js';
import {
  type LiveDefinition,
  type LiveDefinitions,
  type LiveLayout,
  type LiveSample,
  type LiveSnapshot,
  type LiveState,
  type LiveTable,
  type LiveUpdate,
  type LiveUsage,
} from './messages.js';
import { assemblePage, type Page, SAFE_HEADERS } from './page.js';
import { Viewer } from './viewer.js';

/** Observes a source while a page is open. */
export interface LiveProbe {
  state(): LiveState;
  /** Called once per second. Returns the values of the last second. */
  sample(): LiveSample;
  /** Called once per second. Absent or null: no table. */
  table?(): LiveTable | null;
  /** Called once per second. Absent: none. */
  usage?(): readonly LiveUsage[];
  detach(): void;
}

export interface LiveSource {
  readonly layout: LiveLayout;
  /** Called when the first page is opened. The probe adds events to the feed from then on. */
  attach(feed: EventFeed): LiveProbe;
  /** The definitions of events. Absent: none. */
  definitions?(): readonly LiveDefinition[];
}

export interface LiveViewOptions {
  /** Maximum number of events to keep. Default: 500. */
  readonly maxEvents?: number | undefined;
  /** Default: nothing is hidden. */
  readonly mask?: Mask | undefined;
  /** Default: nothing else is hidden. */
  readonly personalOf?: PersonalOf | undefined;
  /** Milliseconds to keep events after the last page was closed, so that a page can be reloaded. Default: 5000. */
  readonly lingerMs?: number | undefined;
}

interface Watch {
  readonly run: string;
  readonly feed: EventFeed;
  readonly probe: LiveProbe;
  readonly samples: LiveSample[];
  readonly timer: NodeJS.Timeout;
  ticks: number;
  lastState: string;
  lastTable: string;
  lastUsage: string;
}

const MAX_VIEWERS = 10;
const MAX_LENGTH = 16 * 1024 * 1024;
const TICK_MS = 250;
const TICKS_PER_SAMPLE = 4;
const MAX_SAMPLES = 120;

/**
 * Serves the page, its event stream and the complete text of single events, on Node's own requests and responses. It observes its
 * source only while a page is open and shortly after; at other times it has no timer and holds no data.
 */
export class LiveView {
  readonly #source: LiveSource;
  readonly #options: LiveViewOptions;
  readonly #viewers = new Set<Viewer>();
  #page: Page | null = null;
  #watch: Watch | null = null;
  #linger: NodeJS.Timeout | null = null;
  #isClosed = false;

  constructor(source: LiveSource, options: LiveViewOptions = {}) {
    this.#source = source;
    this.#options = options;
  }

  /** Serves the page with additional `headers`. */
  servePage(response: ServerResponse, headers: Readonly<Record<string, string>> = {}): void {
    this.#page ??= assemblePage();
    response.writeHead(200, { ...this.#page.headers, ...headers }).end(this.#page.html);
  }

  /** Serves an endless stream of server-sent events: a snapshot, then updates. `close()` ends it. */
  serveStream(response: ServerResponse): void {
    // The client disconnected while a guard ran: `close` will not be emitted again.
    if (response.destroyed) return;
    if (this.#isClosed || this.#viewers.size >= MAX_VIEWERS) {
      const why = this.#isClosed ? 'The application is shutting down.' : `${MAX_VIEWERS} pages are already open.`;
      response.writeHead(503, { ...SAFE_HEADERS, 'content-type': 'text/plain; charset=utf-8' }).end(why);
      return;
    }
    if (this.#linger !== null) clearTimeout(this.#linger);
    this.#linger = null;
    const watch = (this.#watch ??= this.#begin());
    // The snapshot includes pending changes, so send these to the other viewers first.
    this.#broadcast(watch, {});
    const viewer = new Viewer(response);
    response.once('close', () => this.#leave(viewer));
    this.#viewers.add(viewer);
    viewer.open(this.#snapshot(watch));
  }

  /** Serves the complete text of one event as JSON, or 404 if the event was removed. */
  serveEvent(id: string, response: ServerResponse): void {
    const detail = this.#watch?.feed.detail(id);
    const headers = { ...SAFE_HEADERS, 'content-type': 'application/json; charset=utf-8' };
    response.writeHead(detail ? 200 : 404, headers).end(JSON.stringify(detail ?? { id, text: null }));
  }

  /** Serves the definitions of events as JSON. */
  serveDefinitions(response: ServerResponse): void {
    const definitions = this.#source.definitions?.() ?? [];
    const headers = { ...SAFE_HEADERS, 'content-type': 'application/json; charset=utf-8' };
    response.writeHead(200, headers).end(JSON.stringify({ definitions } satisfies LiveDefinitions));
  }

  /** Ends all streams and refuses new ones. */
  close(): void {
    this.#isClosed = true;
    for (const viewer of this.#viewers) viewer.end();
    this.#viewers.clear();
    this.#end();
  }

  #begin(): Watch {
    const { maxEvents = 500, mask, personalOf } = this.#options;
    const feed = new EventFeed({ maxEvents, maxLength: MAX_LENGTH }, masker(mask, personalOf));
    const probe = this.#source.attach(feed);
    const timer = setInterval(() => this.#tick(), TICK_MS).unref();
    return {
      run: randomUUID(),
      feed,
      probe,
      samples: [],
      timer,
      ticks: 0,
      lastState: '',
      lastTable: '',
      lastUsage: '',
    };
  }

  #leave(viewer: Viewer): void {
    if (!this.#viewers.delete(viewer) || this.#viewers.size > 0 || this.#isClosed) return;
    this.#linger = setTimeout(() => this.#end(), this.#options.lingerMs ?? 5000).unref();
  }

  #end(): void {
    if (this.#linger !== null) clearTimeout(this.#linger);
    this.#linger = null;
    if (this.#watch === null) return;
    clearInterval(this.#watch.timer);
    this.#watch.probe.detach();
    this.#watch = null;
  }

  #tick(): void {
    const watch = this.#watch;
    if (watch === null) return;
    watch.ticks += 1;
    if (watch.ticks % TICKS_PER_SAMPLE !== 0) {
      this.#broadcast(watch, {});
      return;
    }
    const sample = watch.probe.sample();
    watch.samples.push(sample);
    if (watch.samples.length > MAX_SAMPLES) watch.samples.shift();
    this.#broadcast(watch, { sample, ...newTable(watch), ...newUsage(watch) });
  }

  #broadcast(watch: Watch, extra: Partial<LiveUpdate>): void {
    const changes = watch.feed.takeChanges();
    const state = watch.probe.state();
    const stateText = JSON.stringify(state);
    const isNews = stateText !== watch.lastState;
    watch.lastState = stateText;
    const { added, moved, names } = changes;
    if (added.length + moved.length === 0 && names === undefined && !isNews && extra.sample === undefined) return;
    const update: LiveUpdate = { ...changes, ...(isNews && { state }), ...extra };
    const text = JSON.stringify(update);
    for (const viewer of this.#viewers) viewer.send(text, () => this.#snapshot(watch));
  }

  #snapshot({ run, feed, probe, samples }: Watch): string {
    const snapshot: LiveSnapshot = {
      run,
      now: Date.now(),
      layout: this.#source.layout,
      maxEvents: this.#options.maxEvents ?? 500,
      events: feed.events(),
      names: feed.names(),
      state: probe.state(),
      table: probe.table?.() ?? null,
      usage: probe.usage?.() ?? [],
      samples,
    };
    return JSON.stringify(snapshot);
  }
}

/** The table, if it has changed. */
function newTable(watch: Watch): Pick<LiveUpdate, 'table'> {
  const table = watch.probe.table?.() ?? null;
  const text = JSON.stringify(table);
  if (table === null || text === watch.lastTable) return {};
  watch.lastTable = text;
  return { table };
}

/** The counts by event, if they have changed. */
function newUsage(watch: Watch): Pick<LiveUpdate, 'usage'> {
  const usage = watch.probe.usage?.() ?? [];
  const text = JSON.stringify(usage);
  if (usage.length === 0 || text === watch.lastUsage) return {};
  watch.lastUsage = text;
  return { usage };
}
