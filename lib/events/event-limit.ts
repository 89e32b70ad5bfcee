import { type FieldRule } from '../shared/field-rules.js';

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

const COUNT: FieldRule = {
  isValid: (value) => typeof value === 'number' && Number.isSafeInteger(value) && value >= 1,
  text: 'a whole number, 1 or more',
};

export const LIMIT_FIELDS = {
  sampleRate: {
    isValid: (value) => typeof value === 'number' && value >= 0 && value <= 1,
    text: 'a number from 0 to 1',
  },
  perMinute: COUNT,
  perPersonPerHour: COUNT,
  once: { isValid: (value) => value === 'person', text: '"person"' },
} satisfies Readonly<Record<keyof EventLimit, FieldRule>>;
