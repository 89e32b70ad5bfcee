import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo } from 'node:net';
import { LiveView } from '../../live/live-view.js';
import { isCrossSite, namesLoopback } from '../../live/request-origin.js';
import { type Fault, FaultScript } from './faults.js';
import { Ingestion } from './ingestion.js';
import { Memory } from './memory.js';
import { pageSource } from './page.js';
import { type RecordedRequest, type StoredEvent, type Violation } from './recorded.js';
import { Timers } from '../timers.js';
import { ConditionWaiters } from '../condition-waiters.js';

/** How a local PostHog is started. */
export interface FakePostHogOptions {
  /** Default: 0, a free port. */
  readonly port?: number;
  /** The only key accepted; others are answered 401. Default: any well-formed key that is not a personal one. */
  readonly apiKey?: string;
  /** How many events are remembered, both stored and in the bodies of requests; the oldest are forgotten. Default: 100 000. */
  readonly maxRemembered?: number;
}

/** How long to wait. */
export interface WaitOptions {
  /** Milliseconds. Default: 5000. */
  readonly timeoutMs?: number;
}

const DEFAULT_MAX_REMEMBERED = 100_000;
const DEFAULT_TIMEOUT_MS = 5000;
/** What shows events, to whoever sits at this machine. */
const OWN_PAGES = new Set(['/', '/stream', '/event', '/events']);

/**
 * A PostHog of your own on 127.0.0.1, for end-to-end tests and for development. It speaks both versions of PostHog's
 * capture API, at least as strictly as PostHog: every broken rule is in `violations`, also the ones for which PostHog
 * would only lose or alter something in silence. It can be told to fail in every way a network can.
 *
 * ```ts
 * const posthog = await FakePostHog.start();
 * // … start the application with host: posthog.url and any API key, and make it capture
 * await posthog.waitForEvents(1);
 * expect(posthog.events[0]).toMatchObject({ event: 'order_placed', distinct_id: 'user_1' });
 * expect(posthog.violations).toEqual([]);
 * await posthog.close();
 * ```
 *
 * `GET /` is a live page of what is stored and refused, `GET /events` are the stored events as JSON, newest first.
 */
export class FakePostHog {
  /** The key that `start` was given; null: any. */
  readonly apiKey: string | null;
  readonly #memory: Memory;
  readonly #faults = new FaultScript();
  readonly #timers = new Timers();
  readonly #waiters = new ConditionWaiters(this.#timers);
  readonly #listeners = new Set<(event: StoredEvent) => void>();
  readonly #changeListeners = new Set<() => void>();
  readonly #ingestion: Ingestion;
  readonly #server: Server;
  #view: LiveView | null = null;
  #port = 0;
  #closing: Promise<void> | null = null;

  private constructor({ apiKey, maxRemembered = DEFAULT_MAX_REMEMBERED }: FakePostHogOptions) {
    this.apiKey = apiKey ?? null;
    this.#memory = new Memory(maxRemembered);
    this.#ingestion = new Ingestion({
      apiKey: this.apiKey,
      maxRemembered,
      memory: this.#memory,
      faults: this.#faults,
      timers: this.#timers,
      changed: () => this.#changed(),
      stored: (event) => [...this.#listeners].forEach((listener) => listener(event)),
    });
    this.#server = createServer((request, response) => this.#handle(request, response));
    // A connection that idles is the client's to close: one that vanished under it would be a fault nobody asked for.
    this.#server.keepAliveTimeout = 0;
  }

  /**
   * Starts a server.
   *
   * @throws the error of Node, e.g. `EADDRINUSE`, when the port cannot be listened on
   */
  static async start(options: FakePostHogOptions = {}): Promise<FakePostHog> {
    const posthog = new FakePostHog(options);
    await posthog.#listen(options.port ?? 0);
    return posthog;
  }

  /** `http://127.0.0.1:<port>`: the `host` of the application under test. Any path below it works too, as behind a proxy. */
  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  get port(): number {
    return this.#port;
  }

  /** What was stored, in order of arrival; an event that was stored twice stands here twice. Live. */
  get events(): readonly StoredEvent[] {
    return this.#memory.events;
  }

  /**
   * The events as PostHog shows them in the end: those equal in UTC date, name, distinct id and uuid are one. Of each,
   * the first arrival. A copy.
   */
  get rows(): readonly StoredEvent[] {
    return this.#memory.rows();
  }

  /** The events that `rows` leaves out. A copy. */
  get duplicates(): readonly StoredEvent[] {
    const rows = new Set(this.rows);
    return this.events.filter((event) => !rows.has(event));
  }

  /** Every request except those for the server's own pages. Live. */
  get requests(): readonly RecordedRequest[] {
    return this.#memory.requests;
  }

  /** Every broken rule of PostHog's API. Empty after a test of a client that does everything right. Live. */
  get violations(): readonly Violation[] {
    return this.#memory.violations;
  }

  /** Queues faults, each for one request, in order. A request with a fault in the queue meets no other fault. */
  fail(faults: Fault | readonly Fault[]): void {
    this.#faults.queue('length' in faults ? faults : [faults]);
  }

  /** Sets a fault for every request that meets no other; null ends it. */
  failAlways(fault: Fault | null): void {
    this.#faults.setAlways(fault);
  }

  /** Sets a rule that chooses a fault for a request whose body has arrived, or null for none; null ends the rule. */
  failWhen(rule: ((request: RecordedRequest) => Fault | null) | null): void {
    this.#faults.setRule(rule);
  }

  /**
   * Calls `listener` for each event when it is stored.
   *
   * @returns what ends it
   */
  onEvent(listener: (event: StoredEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /**
   * Waits until at least so many events are stored. Their client may still be waiting for its answer then.
   *
   * @throws after `timeoutMs`, with what is there instead
   */
  async waitForEvents(count: number, options?: WaitOptions): Promise<readonly StoredEvent[]> {
    await this.#wait(() => this.events.length >= count, `${count} events`, options);
    return this.events;
  }

  /**
   * Waits until at least so many requests have arrived. They may still be unanswered then.
   *
   * @throws after `timeoutMs`, with what is there instead
   */
  async waitForRequests(count: number, options?: WaitOptions): Promise<readonly RecordedRequest[]> {
    await this.#wait(() => this.requests.length >= count, `${count} requests`, options);
    return this.requests;
  }

  /**
   * Waits until a condition on this server holds. It is looked at after every change: no polling, no clock.
   *
   * @throws after `timeoutMs`, with what is there instead; what the condition throws
   */
  async waitFor(condition: (posthog: FakePostHog) => boolean, options?: WaitOptions): Promise<void> {
    await this.#wait(() => condition(this), 'the condition', options);
  }

  /** Forgets events, requests, violations and faults. */
  clear(): void {
    this.#memory.clear();
    this.#faults.clear();
    this.#ingestion.clear();
    this.#changed();
  }

  /** Stops listening, breaks every connection, ends every wait. What was stored can still be read. May be called again. */
  close(): Promise<void> {
    this.#closing ??= new Promise((resolve) => {
      this.#waiters.abandon('the local PostHog was closed');
      this.#timers.close();
      this.#view?.close();
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
    return this.#closing;
  }

  #listen(port: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, '127.0.0.1', () => {
        this.#server.off('error', reject);
        this.#port = (this.#server.address() as AddressInfo).port;
        resolve();
      });
    });
  }

  #handle(request: IncomingMessage, response: ServerResponse): void {
    const [path, query] = request.url?.split('?', 2) ?? [];
    const isRead = request.method === 'GET' || request.method === 'HEAD';
    if (isRead && OWN_PAGES.has(path ?? '') && !namesLoopback(request)) {
      response.writeHead(403).end('The local PostHog shows its events at localhost and 127.0.0.1 only.');
    } else if (isRead && path === '/') {
      this.#liveView().answerPage(response);
    } else if (isRead && (path === '/stream' || path === '/event') && isCrossSite(request)) {
      response.writeHead(403).end();
    } else if (request.method === 'GET' && path === '/stream') {
      this.#liveView().answerStream(response);
    } else if (isRead && path === '/event') {
      this.#liveView().answerEvent(new URLSearchParams(query).get('id') ?? '', response);
    } else if (isRead && path === '/events') {
      const headers = { 'content-type': 'application/json', 'cache-control': 'no-store' };
      response.writeHead(200, headers).end(JSON.stringify([...this.events].reverse(), null, 2));
    } else if (isRead && path === '/favicon.ico') {
      response.writeHead(204).end();
    } else {
      void this.#ingestion.handle(request, response);
    }
  }

  #liveView(): LiveView {
    const { url, apiKey } = this;
    const onChange = (listener: () => void): (() => void) => {
      this.#changeListeners.add(listener);
      return () => void this.#changeListeners.delete(listener);
    };
    return (this.#view ??= new LiveView(pageSource({ url, apiKey, memory: this.#memory, onChange })));
  }

  #changed(): void {
    this.#waiters.changed();
    for (const listener of this.#changeListeners) listener();
  }

  #wait(condition: () => boolean, what: string, { timeoutMs = DEFAULT_TIMEOUT_MS }: WaitOptions = {}): Promise<void> {
    return this.#waiters.until(
      condition,
      timeoutMs,
      () => `waited ${timeoutMs} ms for ${what}; ${this.#whatIsThere()}`,
    );
  }

  #whatIsThere(): string {
    const list = (items: readonly unknown[], texts: string[]): string =>
      `${items.length}${texts.length === 0 ? '' : ` (${items.length > texts.length ? '… ' : ''}${texts.join(', ')})`}`;
    const events = this.events.slice(-10).map(({ event, distinct_id: id }) => `${event} of ${id}`);
    const requests = this.requests
      .slice(-10)
      .map(
        ({ method, path, status, aborted }) => `${method} ${path} ${aborted ? 'aborted' : (status ?? 'unanswered')}`,
      );
    const violations = this.violations.slice(-10).map(({ rule, detail }) => `${rule}: ${detail}`);
    return [
      `there are events: ${list(this.events, events)}`,
      `requests: ${list(this.requests, requests)}`,
      `violations: ${list(this.violations, violations)}`,
    ].join('; ');
  }
}
