import { type FaultScript, type FlagsFault } from '../faults.js';
import { type JsonObject } from '../json-values.js';
import { type Memory } from '../memory.js';
import { type RecordedRequest } from '../recorded.js';
import { evaluateFlag, type FakeFlag, type FakeFlagQuery, type FlagEntry } from './fake-flag.js';
import { toDefinition } from './flag-definitions.js';

export interface FakeFlagsParts {
  readonly memory: Memory;
  readonly faults: FaultScript<FlagsFault>;
  readonly definitionFaults: FaultScript<FlagsFault>;
}

/** Requests to one endpoint, and faults for them. `FakePostHog.fail` does not affect them. */
export abstract class FakeEndpoint {
  readonly #endpoint: RecordedRequest['endpoint'];
  readonly #memory: Memory;
  readonly #faults: FaultScript<FlagsFault>;

  /** @internal */
  constructor(endpoint: RecordedRequest['endpoint'], memory: Memory, faults: FaultScript<FlagsFault>) {
    this.#endpoint = endpoint;
    this.#memory = memory;
    this.#faults = faults;
  }

  /** The requests to this endpoint, oldest first. Returns a new array. */
  get requests(): readonly RecordedRequest[] {
    return this.#memory.requests.filter(({ endpoint }) => endpoint === this.#endpoint);
  }

  /** Queues faults for the next requests to this endpoint, one each. A queued fault takes precedence over the others. */
  fail(faults: FlagsFault | readonly FlagsFault[]): void {
    this.#faults.queue(faults);
  }

  /** Sets a fault for every request to this endpoint without another fault; null removes it. */
  failAlways(fault: FlagsFault | null): void {
    this.#faults.setAlways(fault);
  }

  /** Sets a function that selects the fault for a request to this endpoint, or returns null for none; null removes it. */
  failWhen(rule: ((request: RecordedRequest) => FlagsFault | null) | null): void {
    this.#faults.setRule(rule);
  }
}

/**
 * Feature flags of a `FakePostHog`, which serves them at `/flags/?v=2` and, for clients that evaluate them locally, at
 * `/flags/definitions`. Both give the same values.
 *
 * ```ts
 * posthog.flags.set({
 *   'new-checkout': true,
 *   'button-colour': { variant: 'blue', payload: { hex: '#00f' } },
 *   'beta-area': ({ personProperties }) => personProperties.plan === 'pro',
 * });
 * posthog.flags.setFor('user_1', { 'new-checkout': false });
 * posthog.flags.fail([{ status: 503 }, { hang: true }]);
 * ```
 */
export class FakeFlags extends FakeEndpoint {
  /** Default: false. */
  errorsWhileComputingFlags = false;
  /** true: no flags are returned, because the project is over its quota. `/flags/definitions` responds with 402. Default: false. */
  quotaLimited = false;
  /** true: PostHog requests `$feature_flag_called` events with few properties for flags without an experiment. Default: false. */
  minimalFlagCalledEvents = false;
  /** The endpoint `/flags/definitions`. */
  readonly definitions: FakeFlagDefinitions;
  readonly #entries = new Map<string, FlagEntry>();
  #nextId = 1;

  /** @internal */
  constructor({ memory, faults, definitionFaults }: FakeFlagsParts) {
    super('flags', memory, faults);
    const generate = (): JsonObject => ({
      flags: [...this.#entries.values()].map(toDefinition),
      group_type_mapping: {},
      cohorts: {},
      ...(this.minimalFlagCalledEvents ? { minimal_flag_called_events: true } : {}),
    });
    this.definitions = new FakeFlagDefinitions(memory, definitionFaults, generate);
  }

  /**
   * Adds flags, or replaces those with the same keys for everybody who has no override.
   *
   * A flag that is a function can be evaluated by the server only: its definition tells clients to ask the server.
   */
  set(flags: Readonly<Record<string, FakeFlag>>): void {
    for (const [key, flag] of Object.entries(flags)) {
      const before = this.#entries.get(key);
      if (before === undefined) this.#add(key, flag);
      else {
        before.flag = flag;
        before.version += 1;
      }
    }
  }

  /** Overrides flags for one person. For other persons, flags that were not set before are false. */
  setFor(distinctId: string, flags: Readonly<Record<string, FakeFlag>>): void {
    for (const [key, flag] of Object.entries(flags)) {
      const entry = this.#entries.get(key) ?? this.#add(key, false);
      entry.overrides.set(distinctId, flag);
    }
  }

  /** Removes a flag, as if it had been deleted in PostHog. */
  delete(key: string): void {
    this.#entries.delete(key);
  }

  /** Removes all flags and raw definitions, and resets the fields. Faults and requests stay: `FakePostHog.clear` removes them. */
  clear(): void {
    this.#entries.clear();
    this.definitions.set(null);
    this.errorsWhileComputingFlags = false;
    this.quotaLimited = false;
    this.minimalFlagCalledEvents = false;
  }

  /**
   * Evaluates flags, as `/flags/` does.
   *
   * @param keys the flags to evaluate; null: all
   * @internal
   */
  evaluate(query: FakeFlagQuery, keys: readonly string[] | null): JsonObject {
    const flags: JsonObject = {};
    for (const entry of this.#entries.values()) {
      if (keys !== null && !keys.includes(entry.key)) continue;
      const flag = evaluateFlag(entry, query);
      if (flag !== null) flags[entry.key] = flag;
    }
    return flags;
  }

  #add(key: string, flag: FakeFlag): FlagEntry {
    const entry = { key, id: this.#nextId++, version: 1, flag, overrides: new Map<string, FakeFlag>() };
    this.#entries.set(key, entry);
    return entry;
  }
}

/** The endpoint `/flags/definitions`: requests, faults and the response. */
export class FakeFlagDefinitions extends FakeEndpoint {
  readonly #generate: () => JsonObject;
  #raw: Readonly<JsonObject> | null = null;

  /** @internal */
  constructor(memory: Memory, faults: FaultScript<FlagsFault>, generate: () => JsonObject) {
    super('flag_definitions', memory, faults);
    this.#generate = generate;
  }

  /**
   * Sets the body of the response, e.g. with conditions, cohorts or a rollout. Null: it is generated from the flags, which
   * is the default.
   *
   * ```ts
   * posthog.flags.definitions.set({ flags: [{ key: 'beta', active: true, filters: { groups: [] } }], cohorts: {} });
   * ```
   */
  set(body: Readonly<Record<string, unknown>> | null): void {
    this.#raw = body;
  }

  /** @internal */
  get body(): Readonly<JsonObject> {
    return this.#raw ?? this.#generate();
  }
}
