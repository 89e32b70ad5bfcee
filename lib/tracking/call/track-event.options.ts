import { type ExecutionContext } from '@nestjs/common';
import { PostHogConfigurationError } from '../../options/configuration-error.js';
import { type LooseValue, type Transport } from '../../context/call-source.js';
import { isObject } from '../../shared/untrusted-values.js';
import { didYouMean } from '../../shared/did-you-mean.js';

/**
 * How a call ended. `denied`: a guard rejected it, whatever the status; `error`: it threw, was answered with a status
 * of 400 or more, or its answer broke off; `aborted`: the client went away before the end.
 */
export type Outcome = 'success' | 'error' | 'denied' | 'aborted';

/** One tracked call, as callbacks see it. */
export interface TrackContext {
  readonly transport: Transport;
  readonly outcome: Outcome;
  /** The method's own arguments, after pipes; empty when it was not reached. */
  readonly args: readonly LooseValue[];
  /** The request as Express or Fastify has it; absent where there is none. */
  readonly request?: LooseValue;
  /** What the method returned, or the last value of its Observable. */
  readonly result?: LooseValue;
  /** What the method, a pipe or a stream threw; absent where nobody but Nest can know it, as with an async generator that broke off. */
  readonly error?: unknown;
  /** HTTP only; absent when the response was over before there was a status. */
  readonly statusCode?: number;
  /** Milliseconds from the call to its end; over HTTP, to the end of the response. */
  readonly durationMs: number;
  /** Nest's context of the handler; absent in methods of plain providers and when a guard rejected. */
  readonly execution?: ExecutionContext;
}

/** A value, or a function that answers it at once. */
type Tracked<T> = T | ((context: TrackContext) => T | null | undefined);

/** What `@TrackEvent` may be told. */
export interface TrackEventOptions {
  /** Who did it. Default: the context. */
  distinctId?: Tracked<string | number>;
  /** Group type to group key. */
  groups?: Tracked<Record<string, string | number>>;
  properties?: Tracked<Record<string, unknown>>;
  /** The outcomes that are captured. Default: `success`. */
  on?: Outcome | readonly Outcome[] | 'any';
  /** Whether this call is captured; one that fails holds no event back. Default: yes. */
  when?: (context: TrackContext) => boolean;
  /** The share of persons whose events are captured, 0 to 1: a person is wholly in or out. Default: 1. */
  sampleRate?: number;
  /** The name of the instance that captures. Default: the default instance. */
  instance?: string;
}

/** What one `@TrackEvent` asks for, checked. */
export interface TrackedEvent extends Omit<TrackEventOptions, 'on'> {
  readonly event: string;
  readonly on: readonly Outcome[];
  readonly sampleRate: number;
}

const OUTCOMES: readonly unknown[] = ['success', 'error', 'denied', 'aborted'] satisfies Outcome[];
const OPTIONS = ['distinctId', 'groups', 'properties', 'on', 'when', 'sampleRate', 'instance'];
const MAX_EVENT_NAME_BYTES = 200;

/**
 * @param where the method, for the message
 * @throws PostHogConfigurationError naming all that is wrong: a mistake in a decorator should stop the boot
 */
export function checkTrackEvent(event: unknown, options: TrackEventOptions, where: string): TrackedEvent {
  const given: unknown = options;
  if (!isObject(given)) throw new PostHogConfigurationError([`${where}: the options must be an object`]);
  const problems: string[] = [];
  const expect = (isGood: boolean, problem: string): void => {
    if (!isGood) problems.push(`${where}: ${problem}`);
  };
  const { on = 'success', when, sampleRate = 1, instance } = options;
  const outcomes: readonly unknown[] = on === 'any' ? OUTCOMES : [on].flat();

  const isName = typeof event === 'string' && event.trim() !== '' && Buffer.byteLength(event) <= MAX_EVENT_NAME_BYTES;
  expect(isName, `the event must be a name of at most ${MAX_EVENT_NAME_BYTES} bytes`);
  expect(
    outcomes.length > 0 && outcomes.every((outcome) => OUTCOMES.includes(outcome)),
    `on: expected some of ${OUTCOMES.join(', ')}, or any`,
  );
  expect(when === undefined || typeof when === 'function', 'when: expected a function');
  expect(typeof sampleRate === 'number' && sampleRate >= 0 && sampleRate <= 1, 'sampleRate: expected 0 to 1');
  expect(instance === undefined || typeof instance === 'string', 'instance: expected the name of an instance');
  for (const name of Object.keys(options).filter((key) => !OPTIONS.includes(key))) {
    const meant = didYouMean(name, OPTIONS);
    expect(false, `there is no option ${name}${meant === undefined ? '' : `; did you mean ${meant}?`}`);
  }

  if (problems.length > 0) throw new PostHogConfigurationError(problems);
  return { ...options, event: event as string, on: outcomes as Outcome[], sampleRate };
}
