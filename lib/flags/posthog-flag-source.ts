import { AsyncLocalStorage } from 'node:async_hooks';
import { type CaptureService } from '../capture/capture.service.js';
import { clientSettingsOf } from '../capture/client-settings.js';
import { type FlagError } from '../capture/flag-stats.js';
import { currentScope } from '../context/context-scope.js';
import { describeThrown } from '../shared/describe-thrown.js';
import { type Warn } from '../shared/unknown-fields.js';
import { fieldOf } from '../shared/untrusted-values.js';
import { FlagCircuit } from './circuit.js';
import { type FlagClient, type OwnFlagClient } from './flag-client.js';
import { type FlagCounts } from './flag-counts.js';
import { FlagDefinitions, type DefinitionsSettings } from './flag-definitions.js';
import { requestErrorOf, lateError, QUOTA_ERROR, type RequestError } from './flag-errors.js';
import { type FlagQuestion } from './flag-question.js';
import { type FlagAnswer, type FlagDegradation, type FlagSnapshot } from './flag-snapshot.js';
import { type FlagSource } from './flag-source.js';
import { loadBridge, openClient } from './open-client.js';
import { before } from './time-limit.js';
import { propertiesOf, type SubjectProperties } from './flag-subject.js';

export interface FlagSourceSettings extends SubjectProperties {
  readonly timeoutMs: number;
  readonly coolDownMs: number;
  readonly localOnly: boolean;
  /** undefined: flags are not evaluated locally. */
  readonly definitions: DefinitionsSettings | undefined;
  /** A client of the application. Default: one of this package, made on first use. */
  readonly client: FlagClient | undefined;
}

/** Logs one line per kind and minute. */
export type LogWarning = (kind: string, text: string) => void;

interface Attempt {
  error: RequestError | undefined;
}

const UNUSABLE = 'install posthog-node 5.61.1 or later';
const RECORDED =
  'Feature flags have their default values, because a test records the events and nothing is requested. Remedy: overrideFeatureFlags(builder, { … }), or FeatureFlagsTestingModule.';
const LATE = Symbol('late');

/** Asks PostHog for the values of flags, or computes them from definitions. Both are done by posthog-node. */
export class PostHogFlagSource implements FlagSource {
  readonly #capture: () => CaptureService;
  readonly #settings: FlagSourceSettings;
  readonly #counts: FlagCounts;
  readonly #warn: LogWarning;
  readonly #circuit: FlagCircuit;
  readonly #definitions: FlagDefinitions | undefined;
  /** The error of the request that is made in the current asynchronous context. */
  readonly #attempt = new AsyncLocalStorage<Attempt>();
  #client: Promise<FlagClient> | undefined;
  #opened: FlagClient | undefined;
  #requestError: FlagError | null = null;

  constructor(capture: () => CaptureService, settings: FlagSourceSettings, counts: FlagCounts, warn: LogWarning) {
    this.#capture = capture;
    this.#counts = counts;
    this.#settings = settings;
    this.#warn = warn;
    this.#circuit = new FlagCircuit(settings.coolDownMs);
    this.#definitions = settings.definitions && new FlagDefinitions(settings.definitions, warn);
  }

  get state(): FlagSource['state'] {
    const coolDownUntil = this.#circuit.coolDownUntil;
    const isRemote = !this.#settings.localOnly && coolDownUntil === null && !this.#isDisabled;
    return {
      source: this.#isLocal && !this.#isDisabled ? 'local' : isRemote ? 'remote' : 'none',
      definitionsAgeMs: this.#definitions?.ageMs ?? null,
      definitionsEveryMs: this.#definitions?.everyMs ?? null,
      coolDownUntil,
      lastError: this.#requestError ?? this.#definitions?.error ?? null,
    };
  }

  async start(): Promise<void> {
    if (this.#settings.client !== undefined || this.#isDisabled || this.#isRecorded) return;
    await loadBridge();
    // Node.js loads its fetch with the first use, which would take some 50 ms of the first read.
    Reflect.construct(Headers, []);
  }

  async evaluate(question: FlagQuestion, keys: readonly string[], also: readonly string[]): Promise<FlagAnswer> {
    if (this.#isDisabled) return { snapshot: undefined, keys, degraded: 'disabled' };
    if (this.#isRecorded) {
      this.#warn('flags: recorded', RECORDED);
      return { snapshot: undefined, keys, degraded: 'disabled' };
    }
    try {
      return await this.#evaluate(await this.#open(), question, keys, also);
    } catch (error) {
      this.#requestError = {
        message: `posthog-node failed: ${describeThrown(error, openClient)}`,
        remedy: UNUSABLE,
        needsAction: true,
      };
      this.#report(this.#requestError);
      return { snapshot: undefined, keys, degraded: 'failed' };
    }
  }

  withoutPerson(keys: readonly string[]): FlagAnswer {
    return { snapshot: undefined, keys, degraded: this.#isDisabled ? 'disabled' : 'no_identity' };
  }

  async close(): Promise<void> {
    await this.#definitions?.close();
  }

  get #isDisabled(): boolean {
    return this.#capture().disabled;
  }

  /** In a test that records events, nothing may be sent. A client of the application may have flags of its own. */
  get #isRecorded(): boolean {
    return this.#settings.client === undefined && clientSettingsOf(this.#capture()).isRecorded;
  }

  get #isLocal(): boolean {
    return this.#opened?.isLocalEvaluationReady() === true;
  }

  #open(): Promise<FlagClient> {
    // Outside of the context of the first call, which would stay in memory.
    return (this.#client ??= currentScope.exit(() => this.#openOnce()));
  }

  async #openOnce(): Promise<FlagClient> {
    const client = this.#settings.client ?? (await this.#openOwn());
    client.on('error', (error) => {
      const attempt = this.#attempt.getStore();
      if (attempt !== undefined) attempt.error = requestErrorOf(error);
    });
    this.#opened = client;
    return client;
  }

  async #openOwn(): Promise<OwnFlagClient> {
    const definitions = this.#definitions;
    const { timeoutMs } = this.#settings;
    const capture = this.#capture();
    const client = await openClient(capture, { timeoutMs, definitions });
    definitions?.start(client);
    return client;
  }

  async #evaluate(
    client: FlagClient,
    question: FlagQuestion,
    keys: readonly string[],
    also: readonly string[],
  ): Promise<FlagAnswer> {
    const local = this.#isLocal ? await this.#call(client, question, keys, true) : undefined;
    const isComplete = local !== undefined && keys.every((key) => local.keys.includes(key));
    if (isComplete) return { snapshot: local, keys, degraded: undefined };
    if (question.onlyEvaluateLocally ?? this.#settings.localOnly)
      return { snapshot: local, keys, degraded: 'local_only' };
    if (!this.#circuit.admit()) return { snapshot: local, keys, degraded: 'cool_down' };
    const all = [...keys, ...also];
    const asked = await this.#ask(client, question, all);
    return typeof asked === 'object'
      ? { snapshot: asked, keys: all, degraded: undefined }
      : { snapshot: local, keys, degraded: asked };
  }

  /** Makes one request. */
  async #ask(
    client: FlagClient,
    question: FlagQuestion,
    keys: readonly string[],
  ): Promise<FlagSnapshot | FlagDegradation> {
    const { timeoutMs } = this.#settings;
    this.#counts.requests += 1;
    const attempt: Attempt = { error: undefined };
    const request = (): Promise<FlagSnapshot | undefined> =>
      this.#call(client, question, keys, false).catch((error: unknown) => {
        attempt.error = requestErrorOf(error);
        return undefined;
      });
    const snapshot = await before(timeoutMs, () => this.#attempt.run(attempt, request), LATE);
    if (snapshot === LATE || attempt.error?.isLate) return this.#fail('timeout', lateError(timeoutMs));
    // posthog-node does not expose this; otherwise, every call would make a request that returns no flags.
    if (fieldOf(snapshot, '_quotaLimited') === true) return this.#fail('quota', QUOTA_ERROR);
    if (attempt.error !== undefined) return this.#fail('failed', attempt.error);
    if (snapshot === undefined) return this.#fail('failed', requestErrorOf(undefined));
    this.#circuit.settle(true);
    this.#requestError = null;
    return snapshot;
  }

  async #call(
    client: FlagClient,
    { subject, properties: given, disableGeoip }: FlagQuestion,
    keys: readonly string[],
    onlyEvaluateLocally: boolean,
  ): Promise<FlagSnapshot> {
    const properties = propertiesOf(this.#settings, subject, given, this.#warnOfProperties);
    return await client.evaluateFlags(subject.distinctId, {
      flagKeys: [...keys],
      // An empty object would be on the exposure.
      ...(Object.keys(subject.groups).length > 0 && { groups: { ...subject.groups } }),
      personProperties: properties.person,
      groupProperties: properties.groups,
      // Not false: a client of the application may have a default of its own.
      ...(onlyEvaluateLocally && { onlyEvaluateLocally }),
      ...(disableGeoip !== undefined && { disableGeoip }),
    });
  }

  #fail(degraded: FlagDegradation, { message, remedy, needsAction, isOfRequest }: RequestError): FlagDegradation {
    // A client may choose its distinct id: it must not turn the flags of others off.
    this.#circuit.settle(isOfRequest);
    if (degraded === 'timeout') this.#counts.timeouts += 1;
    this.#requestError = { message, remedy, needsAction };
    this.#report(this.#requestError, isOfRequest);
    return degraded;
  }

  /** One line a minute, whatever the errors are. */
  #report({ message, remedy }: FlagError, isOfRequest = false): void {
    const seconds = this.#settings.coolDownMs / 1000;
    const next = isOfRequest ? ' for this read' : `, and PostHog is asked again in ${seconds} s`;
    this.#warn('flags: request', `Feature flags: ${message}. Code gets its default values${next}. Remedy: ${remedy}.`);
  }

  readonly #warnOfProperties: Warn = (warning) => this.#warn(`flags: ${warning}`, `Feature flags: ${warning}.`);
}
