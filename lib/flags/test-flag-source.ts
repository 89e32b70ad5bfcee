import { type CaptureService } from '../capture/capture.service.js';
import { captureForeign } from '../capture/capture-foreign.js';
import { type FlagQuestion } from './flag-question.js';
import { type FlagAnswer, type FlagSnapshot, type FlagValue } from './flag-snapshot.js';
import { type FlagSource } from './flag-source.js';

/** The value of a flag in a test, or the value and its payload. */
export type TestFlag = FlagValue | { readonly value: FlagValue; readonly payload?: unknown };

/** Flags that a test sets, in place of PostHog. Captures the exposures that posthog-node would capture. */
export class TestFlagSource implements FlagSource {
  readonly #initial: Readonly<Record<string, TestFlag>>;
  readonly #exposed = new Set<string>();
  #flags: ReadonlyMap<string, TestFlag>;
  #capture: () => CaptureService | undefined = () => undefined;

  constructor(flags: Readonly<Record<string, TestFlag>>) {
    this.#initial = { ...flags };
    this.#flags = new Map(Object.entries(this.#initial));
  }

  /** @param capture returns undefined if the application captures nothing */
  connect(capture: () => CaptureService | undefined): void {
    this.#capture = capture;
  }

  set(flags: Readonly<Record<string, TestFlag>>): void {
    this.#flags = new Map([...this.#flags, ...Object.entries(flags)]);
  }

  reset(): void {
    this.#flags = new Map(Object.entries(this.#initial));
    this.#exposed.clear();
  }

  evaluate({ subject, id }: FlagQuestion, keys: readonly string[]): Promise<FlagAnswer> {
    const expose = (key: string, value: FlagValue | undefined): void => this.#expose(key, value, subject, id);
    return Promise.resolve({ snapshot: snapshotOf(this.#flags, expose), keys, degraded: undefined });
  }

  /** As for a person, so that a test of a provider needs no context. There is nobody to be exposed. */
  withoutPerson(keys: readonly string[]): FlagAnswer {
    return { snapshot: snapshotOf(this.#flags, () => undefined), keys, degraded: undefined };
  }

  get state(): FlagSource['state'] {
    return {
      source: 'local',
      definitionsAgeMs: null,
      definitionsEveryMs: null,
      coolDownUntil: null,
      lastError: null,
    };
  }

  start(): Promise<void> {
    return Promise.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  #expose(
    key: string,
    value: FlagValue | undefined,
    { distinctId, groups }: FlagQuestion['subject'],
    id: string,
  ): void {
    const capture = this.#capture();
    const exposure = JSON.stringify([id, key, value]);
    if (capture === undefined || this.#exposed.has(exposure)) return;
    this.#exposed.add(exposure);
    const properties = {
      $feature_flag: key,
      locally_evaluated: true,
      ...(value === undefined
        ? { $feature_flag_error: 'flag_missing' }
        : { $feature_flag_response: value, [`$feature/${key}`]: value }),
    };
    captureForeign(
      capture,
      { event: '$feature_flag_called', distinctId, properties, groups: { ...groups } },
      { bare: true },
    );
  }
}

function snapshotOf(
  flags: ReadonlyMap<string, TestFlag>,
  expose: (key: string, value: FlagValue | undefined) => void,
): FlagSnapshot {
  return {
    keys: [...flags.keys()],
    getFlag: (key, { sendFeatureFlagEvents = true } = {}) => {
      const flag = flags.get(key);
      const value = typeof flag === 'object' ? flag.value : flag;
      if (sendFeatureFlagEvents) expose(key, value);
      return value;
    },
    getFlagPayload: (key) => {
      const flag = flags.get(key);
      return typeof flag === 'object' ? flag.payload : undefined;
    },
  };
}
