import { type FlagAnswer, type FlagDegradation, type FlagSnapshot, type FlagValue } from './flag-snapshot.js';
import { digestOf } from './flag-question.js';

/** The value and payload of a flag within a call. */
export interface FlagRecord {
  readonly key: string;
  /** undefined: not known. */
  readonly value: FlagValue | undefined;
  readonly payload: unknown;
  readonly degraded: FlagDegradation | undefined;
  /** Captures the exposure. undefined for values of another process, which has captured it, and for values that are not known. */
  readonly snapshot: FlagSnapshot | undefined;
  isExposed: boolean;
  /** Code has read the value, or the payload, so that jobs must see the same. */
  isRead: boolean;
  isPayloadRead: boolean;
}

/**
 * Evaluates flags. Must not reject.
 *
 * @param also flags that are evaluated as well if a request is made
 */
export type Evaluate = (keys: readonly string[], also: readonly string[]) => Promise<FlagAnswer>;

/** The flags to ask for, and how. */
export interface MemoRequest {
  readonly evaluate: Evaluate;
  /** Flags that the application reads somewhere. */
  readonly declared: Iterable<string>;
}

interface Batch {
  readonly keys: Set<string>;
  readonly done: Promise<void>;
}

/** More flags of one person than any call reads; older ones are evaluated again. */
const MAX_RECORDS = 1000;

/** The flags of one question in one call. Each has one value, however often and concurrently it is read. */
export class FlagMemo {
  readonly #id: string;
  readonly #records = new Map<string, FlagRecord>();
  readonly #pending = new Map<string, Promise<void>>();
  #gathering: Batch | undefined;
  #digest: string | undefined;

  constructor(id: string) {
    this.#id = id;
  }

  /** Identifies the question in other processes, without revealing the person. */
  get digest(): string {
    return (this.#digest ??= digestOf(this.#id));
  }

  get records(): Iterable<FlagRecord> {
    return this.#records.values();
  }

  /** Reads of the same turn share one evaluation. Never rejects. */
  async find(keys: readonly string[], request: MemoRequest): Promise<FlagRecord[]> {
    this.#forget();
    for (;;) {
      const known = keys.map((key) => this.#records.get(key));
      if (known.every((record) => record !== undefined)) return known;
      const missing = keys.filter((_key, index) => known[index] === undefined);
      await Promise.all(missing.map((key) => this.#pending.get(key) ?? this.#gather(key, request)));
    }
  }

  #gather(key: string, request: MemoRequest): Promise<void> {
    if (this.#gathering === undefined) {
      const keys = new Set<string>();
      this.#gathering = { keys, done: Promise.resolve().then(() => this.#send(keys, request)) };
    }
    this.#gathering.keys.add(key);
    return this.#gathering.done;
  }

  async #send(asked: ReadonlySet<string>, { evaluate, declared }: MemoRequest): Promise<void> {
    const done = this.#gathering?.done ?? Promise.resolve();
    this.#gathering = undefined;
    const isNew = (key: string): boolean => !asked.has(key) && !this.#records.has(key) && !this.#pending.has(key);
    const also = Array.from(declared).filter(isNew);
    const all = [...asked, ...also];
    for (const key of all) this.#pending.set(key, done);
    const answer = await evaluate([...asked], also);
    for (const key of all) this.#pending.delete(key);
    for (const key of new Set([...asked, ...answer.keys])) this.#records.set(key, recordOf(key, answer));
  }

  #forget(): void {
    for (const key of this.#records.keys()) {
      if (this.#records.size <= MAX_RECORDS) return;
      this.#records.delete(key);
    }
  }
}

/** The entry of a flag in a response. */
export function recordOf(key: string, { snapshot, degraded }: FlagAnswer): FlagRecord {
  // posthog-node looks keys up in an object, so it returns false for names such as `constructor`.
  const has = snapshot?.keys.includes(key) === true;
  const value = has ? snapshot.getFlag(key, { sendFeatureFlagEvents: false }) : undefined;
  const isKnown = value !== undefined || degraded === undefined;
  return {
    key,
    value,
    payload: has ? (snapshot.getFlagPayload(key) ?? undefined) : undefined,
    degraded: isKnown ? undefined : degraded,
    snapshot: isKnown && (has || !(key in Object.prototype)) ? snapshot : undefined,
    isExposed: false,
    isRead: false,
    isPayloadRead: false,
  };
}
