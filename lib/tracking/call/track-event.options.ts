import { type DefinedEvent, definedEventOf } from '../../events/defined-event.js';
import { type ReservedProperties } from '../../events/define-event.js';
import { isEventName, MAX_EVENT_NAME_BYTES } from '../../context/event-name.js';
import { type Outcome, type Outcomes, type TrackContext } from '../../context/track-context.js';
import { PostHogConfigurationError } from '../../shared/configuration-error.js';
import { didYouMean } from '../../shared/did-you-mean.js';
import { isObject } from '../../shared/untrusted-values.js';

/**
 * A synchronous callback of `@TrackEvent`. The conditional type lets TypeScript infer `On` from the option `on` only, and not from the
 * parameter of a callback.
 */
export type TrackCallback<T, On extends Outcomes = Outcomes> = (
  context: [On] extends [infer Given extends Outcomes] ? TrackContext<Given> : never,
) => T;

/** A value, or a callback that returns it. */
export type Tracked<T, On extends Outcomes = Outcomes> = T | TrackCallback<T | null | undefined, On>;

/** Options of `@TrackEvent`. */
export interface TrackEventOptions<On extends Outcomes = Outcomes> {
  /** The person. Default: from the context. */
  distinctId?: Tracked<string | number, On>;
  /** Group type to group key. */
  groups?: Tracked<Record<string, string | number>, On>;
  properties?: Tracked<Record<string, unknown>, On>;
  /** Time of the event, as of `capture`. Default: the end of the call. */
  timestamp?: Tracked<Date | string | number, On>;
  /** Makes repeated calls with the same key one event: see `dedupeKey` of `capture`. Needs `timestamp`. */
  dedupeKey?: Tracked<string | number, On>;
  /** The outcomes to capture. Default: `success`. */
  on?: On;
  /** Returns false to skip this call; if it fails, the event is captured. Default: all calls. */
  when?: TrackCallback<boolean, On>;
  /** Share of persons whose events are captured, 0 to 1: either all events of a person or none. Default: 1. */
  sampleRate?: number;
  /** Name of the instance that captures. Default: the default instance. */
  name?: string;
  /** @deprecated Use `name`. */
  instance?: string;
}

/** Options of `@TrackEvent` for a defined event, whose properties have the types of its schema. */
export type TypedTrackEventOptions<Properties, On extends Outcomes = Outcomes> = Omit<
  TrackEventOptions<On>,
  'properties'
> &
  (Record<string, never> extends Properties
    ? { properties?: Tracked<Properties & ReservedProperties, On> }
    : { properties: Tracked<Properties & ReservedProperties, On> });

/** The checked options of one `@TrackEvent`. */
export interface TrackedEvent extends Omit<TrackEventOptions, 'on' | 'instance'> {
  readonly event: string;
  /** The definition that was passed to the decorator in place of a name. */
  readonly definition: DefinedEvent | undefined;
  readonly on: readonly Outcome[];
  readonly sampleRate: number;
}

const OUTCOMES: readonly unknown[] = ['success', 'error', 'denied', 'aborted'] satisfies Outcome[];
const OPTIONS = Object.keys({
  distinctId: true,
  groups: true,
  properties: true,
  timestamp: true,
  dedupeKey: true,
  on: true,
  when: true,
  sampleRate: true,
  name: true,
  instance: true,
} satisfies Record<keyof TrackEventOptions, true>);

/**
 * @param where the decorator and its method, for the message
 * @throws PostHogConfigurationError with all problems: a mistake in a decorator must stop the boot
 */
export function checkTrackEvent(event: unknown, options: TrackEventOptions, where: string): TrackedEvent {
  const given: unknown = options;
  if (!isObject(given)) throw new PostHogConfigurationError([`${where}: the options must be an object`]);
  const definition = typeof event === 'function' ? definedEventOf(event) : undefined;
  const eventName = definition?.event ?? event;
  const problems: string[] = [];
  const expect = (isGood: boolean, problem: string): void => {
    if (!isGood) problems.push(`${where}: ${problem}`);
  };
  const { on = 'success', when, sampleRate = 1 } = options;
  // Not of `options`, of which `instance` is deprecated.
  const { name, instance, ...rest } = given;
  const outcomes: readonly unknown[] = on === 'any' ? OUTCOMES : [on].flat();

  expect(typeof eventName !== 'function', 'the class has no decorator @Event');
  expect(
    typeof eventName === 'function' || isEventName(eventName),
    `the event name must be a non-blank string of at most ${MAX_EVENT_NAME_BYTES} bytes`,
  );
  expect(
    outcomes.length > 0 && outcomes.every((outcome) => OUTCOMES.includes(outcome)),
    `on: expected some of ${OUTCOMES.join(', ')}, or any`,
  );
  expect(
    options.dedupeKey === undefined || options.timestamp !== undefined,
    'dedupeKey needs timestamp, which must be the same each time',
  );
  expect(when === undefined || typeof when === 'function', 'when: expected a function');
  expect(typeof sampleRate === 'number' && sampleRate >= 0 && sampleRate <= 1, 'sampleRate: expected 0 to 1');
  for (const [option, value] of Object.entries({ name, instance }))
    expect(value === undefined || typeof value === 'string', `${option}: expected the name of an instance`);
  expect(
    name === undefined || instance === undefined || name === instance,
    'name and instance differ: remove instance, which is a deprecated alias of name',
  );
  for (const unknown of Object.keys(options).filter((key) => !OPTIONS.includes(key))) {
    const meant = didYouMean(unknown, OPTIONS);
    expect(false, `there is no option ${unknown}${meant === undefined ? '' : `; did you mean ${meant}?`}`);
  }

  if (problems.length > 0) throw new PostHogConfigurationError(problems);
  return {
    ...rest,
    name: (name ?? instance) as string | undefined,
    event: eventName as string,
    definition,
    on: outcomes as Outcome[],
    sampleRate,
  };
}
