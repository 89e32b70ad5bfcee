import { createServer, type Server } from 'node:http';
import { type AddressInfo } from 'node:net';
import { type Fault, FaultScript, type FlagsFault } from './faults.js';
import { endpointsOf } from './endpoints.js';
import { FakeFlags } from './flags/fake-flags.js';
import { FakeProject } from './project/fake-project.js';
import { Memory } from './memory.js';
import { OwnPages } from './own-pages.js';
import { type RecordedRequest, type StoredEvent, type Violation } from './recorded.js';
import { RequestHandler } from './request-handler.js';
import { RetryLedger } from './retry-ledger.js';
import { summaryOf } from './summary.js';
import { Timers } from '../timers.js';
import { ConditionWaiters } from '../condition-waiters.js';

/** Options of `FakePostHog.start`. */
export interface FakePostHogOptions {
  /** Default: 0, which selects a free port. */
  readonly port?: number;
  /** The only accepted API key; requests with another one get a 401. Default: any well-formed key, except personal ones. */
  readonly apiKey?: string;
  /** The only accepted key for flag definitions. Default: any that starts with `phs_` or `phx_`. */
  readonly secretKey?: string;
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
/**
 * A local PostHog on 127.0.0.1, for end-to-end tests and development. It implements both of PostHog's capture APIs,
 * also for AI events, feature flags (`flags`), and the REST API for definitions of events (`project`), at least as strictly as PostHog, and can simulate network failures (`fail`). Every violated rule of the API is listed in
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
  /** Feature flags, requests for them, and faults for these requests. Default: no flags. */
  readonly flags: FakeFlags;
  /** Definitions of events, requests for them, and faults for these requests. Default: no definitions. */
  readonly project: FakeProject;
  readonly #memory: Memory;
  readonly #faults = new FaultScript();
  readonly #timers = new Timers();
  readonly #waiters = new ConditionWaiters(this.#timers);
  readonly #listeners = new Set<(event: StoredEvent) => void>();
  readonly #changeListeners = new Set<() => void>();
  readonly #flagsFaults = new FaultScript<FlagsFault>();
  readonly #definitionFaults = new FaultScript<FlagsFault>();
  readonly #projectFaults = new FaultScript<FlagsFault>();
  readonly #ledger: RetryLedger;
  readonly #pages: OwnPages;
  readonly #server: Server;
  #port = 0;
  #closing: Promise<void> | null = null;

  private constructor({ apiKey, secretKey, maxRemembered = DEFAULT_MAX_REMEMBERED }: FakePostHogOptions) {
    this.apiKey = apiKey ?? null;
    const memory = (this.#memory = new Memory(maxRemembered));
    const ledger = (this.#ledger = new RetryLedger(maxRemembered));
    const faults = this.#faults;
    const flagsFaults = this.#flagsFaults;
    const definitionFaults = this.#definitionFaults;
    const flags = (this.flags = new FakeFlags({ memory, faults: flagsFaults, definitionFaults }));
    const projectFaults = this.#projectFaults;
    const project = (this.project = new FakeProject(memory, projectFaults));
    const keys = { apiKey: this.apiKey, secretKey: secretKey ?? null };
    const handler = new RequestHandler({
      memory,
      timers: this.#timers,
      endpointAt: endpointsOf({
        ...keys,
        flags,
        faults,
        flagsFaults,
        definitionFaults,
        project,
        projectFaults,
        ledger,
      }),
      changed: () => this.#changed(),
      stored: (event) => [...this.#listeners].forEach((listener) => listener(event)),
    });
    const onChange = (listener: () => void): (() => void) => {
      this.#changeListeners.add(listener);
      return () => void this.#changeListeners.delete(listener);
    };
    this.#pages = new OwnPages(() => ({ url: this.url, apiKey: this.apiKey, memory, onChange }));
    this.#server = createServer((request, response) => {
      if (!this.#pages.serve(request, response)) void handler.handle(request, response);
    });
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
   * Queues faults for the next requests with events, one each. `flags`, `flags.definitions` and `project` have faults of their own. A queued fault takes precedence over `failWhen` and `failAlways`.
   *
   * ```ts
   * posthog.fail([{ status: 503 }, { reset: 'after' }]); // the third request succeeds
   * ```
   */
  fail(faults: Fault | readonly Fault[]): void {
    this.#faults.queue(faults);
  }

  /** Sets a fault for every request with events and without another fault; null removes it. */
  failAlways(fault: Fault | null): void {
    this.#faults.setAlways(fault);
  }

  /**
   * Sets a function that selects the fault for a request with events, or returns null for none. It is called once the body has
   * arrived; null removes it.
   *
   * ```ts
   * posthog.failWhen(({ events }) => (events > 10 ? { status: 413 } : null));
   * posthog.failWhen(({ endpoint }) => (endpoint === 'ai' ? { hang: true } : null));
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

  /** Removes events, requests, violations and faults; flags and the definitions of `project` stay. Arrays that were read before stay unchanged. */
  clear(): void {
    this.#memory.clear();
    for (const faults of [this.#faults, this.#flagsFaults, this.#definitionFaults, this.#projectFaults]) faults.clear();
    this.#ledger.clear();
    this.#changed();
  }

  /** Stops the server, closes open connections and rejects pending waits. Recorded data stays readable. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= new Promise((resolve) => {
      this.#waiters.close('FakePostHog was closed');
      this.#timers.close();
      this.#pages.close();
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

  #changed(): void {
    this.#waiters.check();
    for (const listener of this.#changeListeners) listener();
  }

  #wait(condition: () => boolean, what: string, { timeoutMs = DEFAULT_TIMEOUT_MS }: WaitOptions = {}): Promise<void> {
    return this.#waiters.until(
      condition,
      timeoutMs,
      () => `Timed out after ${timeoutMs} ms waiting for ${what}. ${summaryOf(this.#memory)}`,
    );
  }
}
