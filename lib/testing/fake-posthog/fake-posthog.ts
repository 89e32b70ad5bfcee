import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo } from 'node:net';
import { LiveView } from '../../live/live-view.js';
import { hasLoopbackHost, isForeign } from '../../live/request-origin.js';
import { type Fault, FaultScript } from './faults.js';
import { Ingestion } from './ingestion.js';
import { Memory } from './memory.js';
import { pageSource } from './page.js';
import { type RecordedRequest, type StoredEvent, type Violation } from './recorded.js';
import { Timers } from '../timers.js';
import { ConditionWaiters } from '../condition-waiters.js';

/** Options of `FakePostHog.start`. */
export interface FakePostHogOptions {
  /** Default: 0, which selects a free port. */
  readonly port?: number;
  /** The only accepted API key; requests with another one get a 401. Default: any well-formed key, except personal ones. */
  readonly apiKey?: string;
  /** Limit of stored events, and of events in the bodies of recorded requests; the oldest are removed. Default: 100 000. */
  readonly maxRemembered?: number;
}

/** Options of the `waitFor…` methods. */
export interface WaitOptions {
  /** Milliseconds. Default: 5000. */
  readonly timeoutMs?: number;
}

const DEFAULT_MAX_REMEMBERED = 100_000;
const DEFAULT_TIMEOUT_MS = 5000;
/** Paths that show events, and are therefore served to local clients only. */
const OWN_PAGES = new Set(['/', '/stream', '/event', '/events']);
/** Read by the page, not opened. */
const PAGE_DATA = new Set(['/stream', '/event']);

/**
 * A local PostHog on 127.0.0.1, for end-to-end tests and development. It implements both of PostHog's capture APIs, at
 * least as strictly as PostHog, and can simulate network failures (`fail`). Every violated rule of the API is listed in
 * `violations`, including those for which PostHog silently discards or alters data.
 *
 * ```ts
 * const posthog = await FakePostHog.start();
 * const module = await Test.createTestingModule({
 *   imports: [PostHogCaptureModule.forRoot({ apiKey: 'phc_test', host: posthog.url })],
 * }).compile();
 *
 * module.get(CaptureService).capture({ event: 'order_placed', distinctId: 'user_1' });
 * await module.close(); // sends what is queued
 *
 * expect(posthog.rows).toMatchObject([{ event: 'order_placed', distinct_id: 'user_1' }]);
 * expect(posthog.violations).toEqual([]);
 * await posthog.close();
 * ```
 *
 * `GET /` is a live page of stored and refused events; `GET /events` returns the stored events as JSON, newest first.
 */
export class FakePostHog {
  /** The only accepted API key; null: any. */
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
    // Idle connections are left for the client to close: closing one would be a fault that the test did not request.
    this.#server.keepAliveTimeout = 0;
  }

  /**
   * Starts a server. Close it with `close()`.
   *
   * @throws Node's error, e.g. with the code `EADDRINUSE`, if the server cannot listen on the port
   */
  static async start(options: FakePostHogOptions = {}): Promise<FakePostHog> {
    const posthog = new FakePostHog(options);
    await posthog.#listen(options.port ?? 0);
    return posthog;
  }

  /** `http://127.0.0.1:<port>`, the `host` to configure. A path may be appended, as for a reverse proxy. */
  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  get port(): number {
    return this.#port;
  }

  /** Stored events, oldest first. An event that was stored twice is listed twice. The array is live. */
  get events(): readonly StoredEvent[] {
    return this.#memory.events;
  }

  /**
   * Stored events as PostHog shows them: events with the same UTC date, name, distinct id and uuid are merged into the
   * first one. Returns a new array.
   */
  get rows(): readonly StoredEvent[] {
    return this.#memory.rows();
  }

  /** Stored events that `rows` omits because PostHog would merge them. Returns a new array. */
  get duplicates(): readonly StoredEvent[] {
    const rows = new Set(this.rows);
    return this.events.filter((event) => !rows.has(event));
  }

  /** All requests, except those for the live page. The array is live. */
  get requests(): readonly RecordedRequest[] {
    return this.#memory.requests;
  }

  /** Violated rules of PostHog's API. A test of a correct client ends with an empty array. The array is live. */
  get violations(): readonly Violation[] {
    return this.#memory.violations;
  }

  /**
   * Queues faults for the next requests, one each. A queued fault takes precedence over `failWhen` and `failAlways`.
   *
   * ```ts
   * posthog.fail([{ status: 503 }, { reset: 'after' }]); // the third request succeeds
   * ```
   */
  fail(faults: Fault | readonly Fault[]): void {
    this.#faults.queue('length' in faults ? faults : [faults]);
  }

  /** Sets a fault for every request without another fault; null removes it. */
  failAlways(fault: Fault | null): void {
    this.#faults.setAlways(fault);
  }

  /**
   * Sets a function that selects the fault for a request, or returns null for none. It is called once the body has
   * arrived; null removes it.
   *
   * ```ts
   * posthog.failWhen(({ events }) => (events > 10 ? { status: 413 } : null));
   * ```
   */
  failWhen(rule: ((request: RecordedRequest) => Fault | null) | null): void {
    this.#faults.setRule(rule);
  }

  /**
   * Calls `listener` for each stored event.
   *
   * @returns a function that removes the listener
   */
  onEvent(listener: (event: StoredEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /**
   * Waits until at least `count` events are stored. The response may not have been sent yet.
   *
   * @throws after `timeoutMs`, with a list of events, requests and violations
   */
  async waitForEvents(count: number, options?: WaitOptions): Promise<readonly StoredEvent[]> {
    await this.#wait(() => this.events.length >= count, `${count} events`, options);
    return this.events;
  }

  /**
   * Waits until at least `count` requests have arrived. The responses may not have been sent yet.
   *
   * @throws after `timeoutMs`, with a list of events, requests and violations
   */
  async waitForRequests(count: number, options?: WaitOptions): Promise<readonly RecordedRequest[]> {
    await this.#wait(() => this.requests.length >= count, `${count} requests`, options);
    return this.requests;
  }

  /**
   * Waits until `condition` returns true. It is evaluated after every change, without polling.
   *
   * ```ts
   * await posthog.waitFor(({ requests }) => requests.at(-1)?.status === 200);
   * ```
   *
   * @throws after `timeoutMs`, with a list of events, requests and violations; whatever `condition` throws
   */
  async waitFor(condition: (posthog: FakePostHog) => boolean, options?: WaitOptions): Promise<void> {
    await this.#wait(() => condition(this), 'a condition', options);
  }

  /** Removes events, requests, violations and faults. Arrays that were read before stay unchanged. */
  clear(): void {
    this.#memory.clear();
    this.#faults.clear();
    this.#ingestion.clear();
    this.#changed();
  }

  /** Stops the server, closes open connections and rejects pending waits. Recorded data stays readable. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= new Promise((resolve) => {
      this.#waiters.close('FakePostHog was closed');
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
    if (isRead && OWN_PAGES.has(path ?? '') && !hasLoopbackHost(request)) {
      response.writeHead(403).end('This page is available at localhost and 127.0.0.1 only.');
    } else if (isRead && OWN_PAGES.has(path ?? '') && isForeign(request, PAGE_DATA.has(path ?? '') ? 'data' : 'page')) {
      response.writeHead(403).end('This page is not available to other sites, nor in frames.');
    } else if (isRead && path === '/') {
      this.#liveView().servePage(response);
    } else if (request.method === 'GET' && path === '/stream') {
      this.#liveView().serveStream(response);
    } else if (isRead && path === '/event') {
      this.#liveView().serveEvent(new URLSearchParams(query).get('id') ?? '', response);
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
    this.#waiters.check();
    for (const listener of this.#changeListeners) listener();
  }

  #wait(condition: () => boolean, what: string, { timeoutMs = DEFAULT_TIMEOUT_MS }: WaitOptions = {}): Promise<void> {
    return this.#waiters.until(
      condition,
      timeoutMs,
      () => `Timed out after ${timeoutMs} ms waiting for ${what}. ${this.#summary()}`,
    );
  }

  #summary(): string {
    const list = (items: readonly unknown[], texts: string[]): string =>
      `${items.length}${texts.length === 0 ? '' : ` (${items.length > texts.length ? '… ' : ''}${texts.join(', ')})`}`;
    const events = this.events.slice(-10).map(({ event, distinct_id: id }) => `${event} of ${id}`);
    const requests = this.requests
      .slice(-10)
      .map(
        ({ method, path, status, aborted }) => `${method} ${path} ${aborted ? 'aborted' : (status ?? 'no response')}`,
      );
    const violations = this.violations.slice(-10).map(({ rule, detail }) => `${rule}: ${detail}`);
    return [
      `Events: ${list(this.events, events)}`,
      `requests: ${list(this.requests, requests)}`,
      `violations: ${list(this.violations, violations)}`,
    ].join('; ');
  }
}
