import { type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { type CaptureService } from '../capture/capture.service.js';
import { type FlagStats, reportFlags } from '../capture/flag-stats.js';
import { processClass } from '../shared/process-singleton.js';
import { type Warn } from '../shared/unknown-fields.js';
import { fieldOf, isNonBlank } from '../shared/untrusted-values.js';
import { attachFlag } from './attach-flag.js';
import { carriedRecord, currentMemo } from './call-memos.js';
import { type FlagCounts } from './flag-counts.js';
import { type FlagRecord, recordOf } from './flag-memo.js';
import { type FlagQuery } from './flag-query.js';
import { currentPerson, type FlagReading, readingOf } from './flag-question.js';
import { type FlagSource } from './flag-source.js';
import { type FlagValue } from './flag-snapshot.js';
import { Flags, payloadOf } from './flags.js';
import { checkPayload } from './read-payload.js';
import { type StandardSchema } from '../shared/standard-schema.js';

/** @internal */
export interface FeatureFlagsParts {
  /** Name of the instance. */
  readonly name: string | undefined;
  /** undefined only in tests of applications that capture nothing. Throws if there is no such instance. */
  readonly capture: () => CaptureService | undefined;
  readonly source: FlagSource;
  readonly counts: FlagCounts;
  /** true: values that are read are attached to later events. */
  readonly attaches: boolean;
  /** Flags that the application reads somewhere: they are evaluated whenever a request is made. */
  readonly declared: () => Iterable<string>;
  /** Logs at most one line per kind and minute. */
  readonly warn: (kind: string, text: string) => void;
}

class FeatureFlagsClass implements OnModuleInit, OnApplicationShutdown {
  readonly #parts: FeatureFlagsParts;
  #owner: object = {};
  #hasWarnedOfIdentity = false;

  /** @internal */
  constructor(parts: FeatureFlagsParts) {
    this.#parts = parts;
  }

  /**
   * true if the flag is on for the current person, with any variant. Never rejects.
   *
   * @param options.defaultValue while the value is not known. Default: false
   */
  async isEnabled(key: string, options?: FlagQuery & { defaultValue?: boolean | undefined }): Promise<boolean> {
    const value = await this.value(key, options);
    if (value !== undefined) return value !== false;
    return fieldOf(options, 'defaultValue') === true;
  }

  /**
   * The value of the flag for the current person: false, true, or the name of a variant. undefined while it is not known: PostHog does not
   * know the flag, did not respond in time, or no person is known. Never rejects.
   */
  async value(key: string, options?: FlagQuery): Promise<FlagValue | undefined> {
    const reading = this.#readingOf(options);
    const [record] = await this.#find(reading, [key]);
    if (record === undefined) return undefined;
    this.#read(reading, record);
    return record.value;
  }

  /**
   * The payload of the flag's value for the current person, or undefined if there is none. It captures no exposure and attaches nothing:
   * read the value as well where an experiment needs it. Never rejects.
   *
   * @param options.schema a schema of Zod, Valibot, ArkType or another library that implements Standard Schema. Without it, nothing
   * checks that the payload is a `T`. A payload that does not match is undefined, and a warning is logged
   */
  async payload<T = unknown>(
    key: string,
    options?: FlagQuery & { schema?: StandardSchema<unknown, T> | undefined },
  ): Promise<T | undefined> {
    const reading = this.#readingOf(options);
    const [record] = await this.#find(reading, [key], true);
    const payload = record === undefined ? undefined : payloadOf(record);
    const schema = fieldOf(options, 'schema') as StandardSchema<unknown, T> | undefined;
    if (payload === undefined || schema === undefined) return payload as T | undefined;
    const checked = await checkPayload(payload, schema);
    if ('value' in checked) return checked.value;
    this.#warn(`the payload of ${JSON.stringify(key)} was left out: ${checked.problem}`);
    return undefined;
  }

  /**
   * Evaluates several flags for the current person, with one request at most. Reads of the result are synchronous. Never rejects.
   */
  async evaluate(keys: readonly string[], options?: FlagQuery): Promise<Flags> {
    const reading = this.#readingOf(options);
    const records = await this.#find(reading, Array.isArray(keys) ? keys : []);
    return new Flags(records, (record) => {
      // The result may be read in another context.
      this.#read({ ...reading, contextPerson: currentPerson(this.#parts.capture()) }, record);
    });
  }

  /** For health checks and metrics; `stats().flags` of the instance is the same. */
  get state(): FlagStats {
    return { ...this.#parts.source.state, ...this.#parts.counts.stats() };
  }

  /** @internal Makes current calls forget the values that they have read. */
  forget(): void {
    this.#owner = {};
  }

  /** Called by Nest. Rejects if there is no such instance, or if posthog-node is not installed. */
  async onModuleInit(): Promise<void> {
    const capture = this.#parts.capture();
    if (capture !== undefined) reportFlags(capture, () => this.state);
    await this.#parts.source.start();
  }

  /** Called by Nest. */
  async onApplicationShutdown(): Promise<void> {
    await this.#parts.source.close();
  }

  #readingOf(query: unknown): FlagReading {
    return readingOf(this.#parts.capture(), query, this.#warn);
  }

  /** The records of the keys, in the same order. Never rejects. */
  async #find({ question }: FlagReading, given: readonly string[], needsPayloads = false): Promise<FlagRecord[]> {
    const { name, source, declared } = this.#parts;
    const keys = given.filter(isNonBlank);
    if (keys.length < given.length) this.#warn('the key of a flag must be a non-blank string, so a read has no value');
    if (question === undefined) {
      this.#warnOfIdentity();
      return keys.map((key) => recordOf(key, source.withoutPerson(keys)));
    }
    const memo = currentMemo(this.#owner, name === undefined ? question.id : `${name}\n${question.id}`);
    const carried = new Map(keys.map((key) => [key, carriedRecord(memo, key)]));
    const missing = keys.filter((key) => {
      const record = carried.get(key);
      return record === undefined || (needsPayloads && !record.isPayloadRead);
    });
    const evaluate = source.evaluate.bind(source, question);
    const found = missing.length === 0 ? [] : await memo.find(missing, { evaluate, declared: declared() });
    const byKey = new Map(found.map((record) => [record.key, record]));
    return keys.flatMap((key) => consistent(carried.get(key), byKey.get(key)) ?? []);
  }

  #read({ question, sendEvents, contextPerson }: FlagReading, record: FlagRecord): void {
    const { capture: find, attaches, counts } = this.#parts;
    const { key, value, snapshot } = record;
    record.isRead = true;
    counts.read(key, value);
    if (snapshot !== undefined && sendEvents && !record.isExposed) {
      record.isExposed = true;
      snapshot.getFlag(key, { sendFeatureFlagEvents: true });
    }
    const capture = find();
    if (attaches && value !== undefined && question !== undefined && capture !== undefined)
      attachFlag(capture, key, value, question.subject.distinctId, contextPerson, this.#warn);
  }

  readonly #warn: Warn = (warning) => this.#parts.warn(`flags: ${warning}`, `Feature flags: ${warning}.`);

  /** Only once, because a person may be unknown on purpose: that of a visitor. */
  #warnOfIdentity(): void {
    if (this.#hasWarnedOfIdentity || this.#parts.capture()?.disabled) return;
    this.#hasWarnedOfIdentity = true;
    this.#parts.warn(
      'flags: no identity',
      'Feature flags were read while no person was known, so they had their default values. Remedy: option identity, withContext(), or distinctId of the read. This is logged once.',
    );
  }
}

/** A job has the value of its request. The payload of another value would contradict it. */
function consistent(carried: FlagRecord | undefined, found: FlagRecord | undefined): FlagRecord | undefined {
  if (carried === undefined || found === undefined) return carried ?? found;
  return found.value === carried.value ? { ...carried, payload: found.payload } : carried;
}

/**
 * Evaluates feature flags of the current person: that of the request, message or job, as CaptureService sees it. One class per process.
 *
 * - The person comes from `withContext`, from option `identity`, or without it from PostHog's tracing headers, which a client can set to
 *   any value: set `identity` before a flag protects anything.
 * - Within a call (a request, a message, a job, or the outermost `withContext`) and its jobs, a flag has one value per person, however often it
 *   is read. A loop that never ends needs a context for each of its messages, or it never sees a change. Outside of any context, each
 *   read is evaluated.
 * - Each read takes `timeoutMs` at most. Then, and whenever a value is not known, code gets its default. After a failure, nothing is
 *   requested for `coolDownMs`.
 * - A read captures `$feature_flag_called`, once per person, flag, value and groups, and adds `$feature/<key>` and `$active_feature_flags` to
 *   the later events of the call and of its jobs. Values that are not known are not added.
 * - Nothing throws, and nothing rejects.
 *
 * @class
 */
export const FeatureFlags = processClass('FeatureFlags', FeatureFlagsClass);
export interface FeatureFlags extends FeatureFlagsClass {}
