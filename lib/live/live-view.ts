import { randomUUID } from 'node:crypto';
import { type ServerResponse } from 'node:http';
import { EventFeed } from './event-feed.js';
import { type Mask, masker } from './mask.js';
import { type LiveLayout, type LiveSample, type LiveSnapshot, type LiveState, type LiveUpdate } from './messages.js';
import { assemblePage, type Page, SAFE_HEADERS } from './page.js';
import { Viewer } from './viewer.js';

/** What is being looked at. */
export interface LiveProbe {
  state(): LiveState;
  /** The figures of the second that passed. */
  sample(): LiveSample;
  /** Ends it. */
  detach(): void;
}

/** Whoever has events to show. */
export interface LiveSource {
  readonly layout: LiveLayout;
  /** Called when somebody begins to look; tells the feed what happens from then on. */
  attach(feed: EventFeed): LiveProbe;
}

/** Bounds of a view. */
export interface LiveViewOptions {
  /** Most events that are remembered. Default: 500. */
  readonly maxEvents?: number | undefined;
  /** What is hidden. Default: nothing. */
  readonly mask?: Mask | undefined;
  /** Milliseconds for which all is remembered after the last viewer left, so that a page may be reloaded. Default: 5000. */
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
}

const MAX_VIEWERS = 10;
const MAX_LENGTH = 16 * 1024 * 1024;
const TICK_MS = 250;
const TICKS_PER_SAMPLE = 4;
const MAX_SAMPLES = 120;

/**
 * The page, the stream behind it and the text of single events, on Node's own requests and responses, whatever framework these
 * came with. It watches its source while somebody looks and a little longer, and else holds nothing and has no timer.
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

  /** Answers the page. `headers` are added to its own. */
  servePage(response: ServerResponse, headers: Readonly<Record<string, string>> = {}): void {
    this.#page ??= assemblePage();
    response.writeHead(200, { ...this.#page.headers, ...headers }).end(this.#page.html);
  }

  /** Answers an endless stream of server-sent events: a snapshot, then what changes. It ends with `close()`. */
  serveStream(response: ServerResponse): void {
    // Whoever left while a guard was asked will not leave again.
    if (response.destroyed) return;
    if (this.#isClosed || this.#viewers.size >= MAX_VIEWERS) {
      const why = this.#isClosed ? 'The application is shutting down.' : `${MAX_VIEWERS} pages are open already.`;
      response.writeHead(503, { ...SAFE_HEADERS, 'content-type': 'text/plain; charset=utf-8' }).end(why);
      return;
    }
    if (this.#linger !== null) clearTimeout(this.#linger);
    this.#linger = null;
    const watch = (this.#watch ??= this.#begin());
    // All others first get what this one gets in its snapshot.
    this.#broadcast(watch, {});
    const viewer = new Viewer(response);
    response.once('close', () => this.#leave(viewer));
    this.#viewers.add(viewer);
    viewer.begin(this.#snapshot(watch));
  }

  /** Answers the whole text of one event as JSON; 404 when it is forgotten. */
  serveEvent(id: string, response: ServerResponse): void {
    const detail = this.#watch?.feed.detail(id);
    const headers = { ...SAFE_HEADERS, 'content-type': 'application/json; charset=utf-8' };
    response.writeHead(detail ? 200 : 404, headers).end(JSON.stringify(detail ?? { id, text: null }));
  }

  /** Ends every stream, now and for ever. */
  close(): void {
    this.#isClosed = true;
    for (const viewer of this.#viewers) viewer.end();
    this.#viewers.clear();
    this.#end();
  }

  #begin(): Watch {
    const { maxEvents = 500, mask } = this.#options;
    const feed = new EventFeed({ maxEvents, maxLength: MAX_LENGTH }, masker(mask));
    const probe = this.#source.attach(feed);
    const timer = setInterval(() => this.#tick(), TICK_MS).unref();
    return { run: randomUUID(), feed, probe, samples: [], timer, ticks: 0, lastState: '' };
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
    this.#broadcast(watch, { sample });
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
    for (const viewer of this.#viewers) viewer.tell(text, () => this.#snapshot(watch));
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
      samples,
    };
    return JSON.stringify(snapshot);
  }
}
