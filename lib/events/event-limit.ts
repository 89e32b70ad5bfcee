import { isMissing, isObject } from '../shared/untrusted-values.js';

/** Limits of the events of one name. */
export interface EventLimit {
  /**
   * Share of persons whose events are kept, from 0 to 1. The same persons are kept in every process, and of all events with the same
   * rate; for whole percents also by `sampleByDistinctId` of posthog-js. Kept events have the rate as `$sample_rate`. Events of the others are
   * dropped as `sampled`. Default: 1.
   */
  readonly sampleRate?: number | undefined;
  /**
   * Events of one name that this process captures per minute, which begins with the first event. More are dropped as `over_limit`.
   * Default: unlimited.
   */
  readonly perMinute?: number | undefined;
  /** Likewise for the events of one person, per hour. Does not apply to events without a person. Default: unlimited. */
  readonly perPersonPerHour?: number | undefined;
  /**
   * `person`: one event for each person and process; more are dropped as `over_limit`. Does not apply to events without a person. Default:
   * unlimited.
   */
  readonly once?: 'person' | undefined;
}

/** A field of a limit, and the end of "expected … to be". */
export interface LimitField {
  readonly isValid: (value: unknown) => boolean;
  readonly text: string;
}

const COUNT: LimitField = {
  isValid: (value) => typeof value === 'number' && Number.isSafeInteger(value) && value >= 1,
  text: 'a whole number, 1 or more',
};

export const LIMIT_FIELDS: Readonly<Record<keyof EventLimit, LimitField>> = {
  sampleRate: {
    isValid: (value) => typeof value === 'number' && value >= 0 && value <= 1,
    text: 'a number from 0 to 1',
  },
  perMinute: COUNT,
  perPersonPerHour: COUNT,
  once: { isValid: (value) => value === 'person', text: '"person"' },
};

const { sampleRate: RATE, ...DEFINED } = LIMIT_FIELDS;

/** The fields of a definition that limit its events. */
export const DEFINITION_LIMITS = {
  sampleRate: RATE,
  limit: {
    isValid: (value: unknown): boolean =>
      isObject(value) &&
      Object.entries(value).every(([name, given]) => {
        const field = Object.hasOwn(DEFINED, name) ? DEFINED[name as keyof typeof DEFINED] : undefined;
        return field !== undefined && (isMissing(given) || field.isValid(given));
      }),
    text: `an object with ${Object.entries(DEFINED)
      .map(([name, { text }]) => `${name} (${text})`)
      .join(', ')}`,
  },
} satisfies Readonly<Record<string, LimitField>>;
