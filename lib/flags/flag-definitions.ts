import { type FlagError } from '../capture/flag-stats.js';
import { backgroundTimer, stopTimer, type Timer } from '../delivery/timers.js';
import { isObject } from '../shared/untrusted-values.js';
import { LIBRARY_NAME, LIBRARY_VERSION } from '../shared/version.js';
import { type DefinitionsSource, type OwnFlagClient } from './flag-client.js';
import { requestErrorOf, statusError } from './flag-errors.js';

/** Shares flag definitions between processes: `FlagDefinitionCacheProvider` of posthog-node. All methods may fail. */
export interface FlagDefinitionCache {
  /** Returns the definitions, or undefined if there are none. */
  getFlagDefinitions(): unknown;
  /** false: this process uses the definitions that another one has loaded. Called only with a secret key. */
  shouldFetchFlagDefinitions(): Promise<boolean> | boolean;
  /** Called with definitions that this process has loaded. */
  onFlagDefinitionsReceived(data: never): Promise<void> | void;
  /** Called when the application closes. */
  shutdown(): Promise<void> | void;
}

export interface DefinitionsSettings {
  /** undefined: definitions come from the cache only. */
  readonly secretKey: string | undefined;
  readonly everyMs: number;
  readonly cache: FlagDefinitionCache | undefined;
}

const REQUEST_TIMEOUT_MS = 10_000;
/** Attempts to hand definitions to the client. */
const MAX_TRIES = 5;
/** After a failure, definitions are loaded again sooner, at increasing intervals. */
const RETRY_MS = 2000;
const KEY_REMEDY =
  'check secretKey (POSTHOG_SECRET_KEY): it must belong to the same project as apiKey, and be allowed to read feature flags';
const EMPTY_CACHE: FlagError = {
  message: 'definitions.cache has none',
  remedy: 'check that a process with a secret key fills it',
  needsAction: false,
};
const NO_FLAGS = { flags: [], group_type_mapping: {}, groupTypeMapping: {}, cohorts: {} };

/**
 * Loads the definitions of all flags at an interval, and gives them to a client, so that evaluation needs no request. Its timer does not
 * keep the process alive, and no evaluation waits for a load.
 *
 * @see https://posthog.com/docs/feature-flags/local-evaluation
 */
export class FlagDefinitions implements DefinitionsSource {
  readonly everyMs: number;
  readonly #secretKey: string | undefined;
  readonly #cache: FlagDefinitionCache | undefined;
  readonly #warn: (kind: string, text: string) => void;
  #request = new AbortController();
  #isClosed = false;
  #data: unknown;
  /** The data that the client has read. */
  #given: unknown;
  #etag: string | undefined;
  #loadedAt: number | undefined;
  #failures = 0;
  #error: FlagError | null = null;
  #timer: Timer | undefined;

  constructor({ secretKey, everyMs, cache }: DefinitionsSettings, warn: (kind: string, text: string) => void) {
    this.everyMs = everyMs;
    this.#secretKey = secretKey;
    this.#cache = cache;
    this.#warn = warn;
  }

  /** null before the first load. */
  get ageMs(): number | null {
    return this.#loadedAt === undefined ? null : Math.round(performance.now() - this.#loadedAt);
  }

  get error(): FlagError | null {
    return this.#error;
  }

  getFlagDefinitions(): unknown {
    this.#given = this.#data;
    return this.#data;
  }

  start(client: OwnFlagClient): void {
    void this.#refresh(client);
  }

  async close(): Promise<void> {
    stopTimer(this.#timer);
    this.#isClosed = true;
    this.#request.abort();
    await safely(() => this.#cache?.shutdown());
  }

  async #refresh(client: OwnFlagClient): Promise<void> {
    try {
      await this.#load(client);
      this.#failures = 0;
      this.#error = null;
      this.#loadedAt = performance.now();
    } catch (thrown) {
      if (this.#isClosed) return;
      this.#failures += 1;
      this.#fail(thrown instanceof LoadError ? thrown.reason : requestErrorOf(thrown));
    }
    if (this.#isClosed) return;
    this.#timer = backgroundTimer(() => void this.#refresh(client), this.#delayMs);
  }

  async #load(client: OwnFlagClient): Promise<void> {
    const mayFetch = this.#secretKey !== undefined && (await this.#mayFetch());
    const cached = mayFetch ? undefined : await safely(() => this.#cache?.getFlagDefinitions());
    if (isDefinitions(cached)) await this.#use(client, cached);
    else if (this.#secretKey !== undefined && (mayFetch || this.#data === undefined))
      await this.#fetch(client, this.#secretKey);
    else throw new LoadError(EMPTY_CACHE);
  }

  async #mayFetch(): Promise<boolean> {
    return (await safely(() => this.#cache?.shouldFetchFlagDefinitions())) ?? true;
  }

  async #fetch(client: OwnFlagClient, secretKey: string): Promise<void> {
    const timer = backgroundTimer(() => this.#request.abort(new DOMException('', 'TimeoutError')), REQUEST_TIMEOUT_MS);
    try {
      const response = await fetch(
        `${client.host}/flags/definitions?token=${encodeURIComponent(client.apiKey)}&send_cohorts`,
        {
          headers: {
            Authorization: `Bearer ${secretKey}`,
            'User-Agent': `${LIBRARY_NAME}/${LIBRARY_VERSION}`,
            ...(this.#etag !== undefined && { 'If-None-Match': this.#etag }),
          },
          signal: this.#request.signal,
        },
      );
      const { status } = response;
      if (status !== 200) await response.body?.cancel();
      if (status === 304) return;
      // As posthog-node does: the flags must not stay as they were when the quota was used up.
      if (status === 402) await this.#use(client, NO_FLAGS);
      if (status !== 200) throw new LoadError(statusError(status, KEY_REMEDY));
      const data: unknown = await response.json();
      if (!isDefinitions(data)) throw new LoadError(requestErrorOf(undefined));
      const definitions = withOlderNames(data);
      await this.#use(client, definitions, response.headers.get('ETag') ?? undefined);
      await safely(() => this.#cache?.onFlagDefinitionsReceived(definitions as never));
    } finally {
      stopTimer(timer);
      if (!this.#isClosed) this.#request = new AbortController();
    }
  }

  /** @param etag absent for definitions that PostHog did not return: a 304 must not keep them */
  async #use(client: OwnFlagClient, data: object, etag?: string): Promise<void> {
    this.#data = data;
    this.#etag = etag;
    // While the client reads earlier ones, it ignores that there are others.
    for (let tries = 0; tries < MAX_TRIES && this.#given !== data; tries += 1) await client.reloadFeatureFlags();
  }

  #fail(error: FlagError): void {
    this.#error = error;
    const effect =
      this.#data === undefined
        ? 'Flags cannot be evaluated locally'
        : 'The definitions that were loaded before stay in use';
    this.#warn(
      'flags: definitions',
      `The definitions of feature flags could not be loaded: ${error.message}. ${effect}. Remedy: ${error.remedy}.`,
    );
  }

  get #delayMs(): number {
    if (this.#failures === 0 || this.#error?.needsAction) return this.everyMs;
    return Math.min(this.everyMs, RETRY_MS * 2 ** Math.min(this.#failures - 1, 20));
  }
}

class LoadError extends Error {
  constructor(readonly reason: FlagError) {
    super(reason.message);
  }
}

interface Definitions {
  readonly flags: readonly unknown[];
  readonly [field: string]: unknown;
}

function isDefinitions(data: unknown): data is Definitions {
  return isObject(data) && Array.isArray(data.flags);
}

/** Caches may be read by older versions of posthog-node, which use names of their own. */
function withOlderNames(data: Definitions): Definitions {
  const { group_type_mapping: groupTypeMapping = {}, cohorts = {} } = data;
  return {
    ...data,
    cohorts,
    groupTypeMapping,
    minimalFlagCalledEvents: data.minimal_flag_called_events === true,
    ...(data.property_matching_version !== undefined && { propertyMatchingVersion: data.property_matching_version }),
  };
}

/** undefined if the function of the application fails. */
async function safely<T>(fn: () => T): Promise<Awaited<T> | undefined> {
  try {
    return await fn();
  } catch {
    return undefined;
  }
}
