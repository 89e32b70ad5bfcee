import { type FlagRecord } from './flag-memo.js';
import { type FlagDegradation, type FlagValue } from './flag-snapshot.js';

/** Called with each flag that is read. Must not throw. */
export type OnFlagRead = (record: FlagRecord) => void;

/**
 * Flags that were evaluated together. Reading one is an exposure, and attaches its value to later events; evaluating alone is not.
 * Reads are synchronous, and never throw.
 */
export class Flags {
  /** Evaluated keys that have a value. */
  readonly keys: readonly string[];
  /** The reason why some of the flags have no value; undefined if PostHog knows no others. */
  readonly degraded: FlagDegradation | undefined;
  readonly #records: ReadonlyMap<string, FlagRecord>;
  readonly #onRead: OnFlagRead;

  /** @internal */
  constructor(records: readonly FlagRecord[], onRead: OnFlagRead) {
    this.#records = new Map(records.map((record) => [record.key, record]));
    this.#onRead = onRead;
    this.keys = records.filter(({ value }) => value !== undefined).map(({ key }) => key);
    this.degraded = records.find(({ degraded }) => degraded !== undefined)?.degraded;
  }

  /**
   * True if the flag is on, also with a variant.
   *
   * @param options.defaultValue for a flag without a value. Default: false
   */
  isEnabled(key: string, options?: { defaultValue?: boolean }): boolean {
    const value = this.value(key);
    return value === undefined ? (options?.defaultValue ?? false) : value !== false;
  }

  /**
   * false, true, the name of a variant, or undefined for a flag that was not evaluated or has no value.
   *
   * @param options.sendEvents false: the value is neither an exposure, nor attached. `capture({ flags })` reads it so. Default: true
   */
  value(key: string, options?: { sendEvents?: boolean }): FlagValue | undefined {
    const record = this.#records.get(key);
    if (record === undefined) return undefined;
    if (options?.sendEvents !== false) this.#onRead(record);
    return record.value;
  }

  /** @internal The value for `capture({ flags })`, which does not read it. */
  getFlag(key: string): FlagValue | undefined {
    return this.#records.get(key)?.value;
  }

  /** A copy of the payload of the flag's value; undefined if there is none. Not an exposure. */
  payload(key: string): unknown {
    const record = this.#records.get(key);
    return record === undefined ? undefined : payloadOf(record);
  }
}

/** A copy, because the value is shared by all reads of the call. */
export function payloadOf(record: FlagRecord): unknown {
  record.isRead = true;
  record.isPayloadRead = true;
  return structuredClone(record.payload);
}
