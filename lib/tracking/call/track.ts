import { types } from 'node:util';
import { type CaptureService } from '../../capture/capture.service.js';
import { type ContextScope, currentScope, personlessIdOf } from '../../context/context-scope.js';
import { distinctIdOf } from '../../context/distinct-id.js';
import { type GroupKeys, groupKeysOf } from '../../context/group-keys.js';
import { copyOwn, isObject } from '../../shared/untrusted-values.js';
import { isSampled } from './sampling.js';
import { type TrackContext, type TrackedEvent } from './track-event.options.js';
import { type TrackingSettings } from './tracking-instance.js';

/** One instance, as tracking uses it. */
export interface TrackingInstance {
  readonly capture: CaptureService;
  readonly settings: TrackingSettings;
}

/**
 * Captures one event of a call that has ended, if its decorator wants it. Must run in the context of the call. A callback that
 * fails costs its own contribution and a line in the log.
 */
export function track(tracked: TrackedEvent, context: TrackContext, { capture, settings }: TrackingInstance): void {
  const { event, sampleRate } = tracked;
  if (!tracked.on.includes(context.outcome)) return;
  if (tracked.when !== undefined) {
    const answer = answerOf(tracked, 'when', context, settings);
    if (answer !== FAILED && !answer) return;
  }
  const distinctId = contribution(tracked, 'distinctId', DISTINCT_ID, context, settings);
  if (sampleRate < 1 && !isSampled(event, distinctId ?? actingPerson(capture), sampleRate)) return;
  const groups = contribution(tracked, 'groups', GROUPS, context, settings);
  // A copy of ours already.
  const properties = contribution(tracked, 'properties', PROPERTIES, context, settings) ?? {};
  addCall(properties, context);
  capture.capture({ event, distinctId, groups, properties });
}

/** Adds what every tracked event says of its call. */
export function addCall(
  properties: Record<string, unknown>,
  {
    outcome,
    durationMs,
    transport,
    statusCode,
  }: Pick<TrackContext, 'outcome' | 'durationMs' | 'transport' | 'statusCode'>,
): void {
  properties.$outcome = outcome;
  properties.$duration_ms = durationMs;
  properties.$transport = transport;
  if (statusCode !== undefined) properties.$response_status_code = statusCode;
}

/** The person whom the context names, or the random id that stands for nobody, as the event will have it. */
export function actingPerson(capture: Partial<Pick<CaptureService, 'context'>>): string {
  // A stand-in for the service may have no context.
  const distinctId = capture.context?.get().distinctId;
  const scope: ContextScope | undefined = currentScope.getStore();
  return distinctId !== undefined ? String(distinctId) : scope === undefined ? '' : personlessIdOf(scope);
}

/** What a callback may answer. */
interface Expectation<T> {
  readonly text: string;
  /** null for what it may not. */
  readonly read: (answer: unknown) => T | null;
}

const DISTINCT_ID: Expectation<string> = {
  text: 'a text of at most 200 bytes or a finite number',
  read: distinctIdOf,
};
const GROUPS: Expectation<GroupKeys> = { text: 'an object of group types and keys', read: groupKeysOf };
const PROPERTIES: Expectation<Record<string, unknown>> = {
  text: 'an object of names and values',
  read: (answer) => (isObject(answer) ? copyOf(answer) : null),
};

/** A copy; a getter that throws costs its own value. */
function copyOf(bag: Readonly<Record<string, unknown>>): Record<string, unknown> {
  try {
    // They are set later, where they have their place already. A literal that begins with a name is copied many times faster than one
    // that begins with a spread.
    return { $outcome: undefined, $duration_ms: undefined, $transport: undefined, ...bag };
  } catch {
    const copy = {};
    copyOwn(copy, bag);
    return copy;
  }
}

/** What the decorator, or its callback, says for one field of the event; undefined for nothing that can be used. */
function contribution<T>(
  tracked: TrackedEvent,
  option: 'distinctId' | 'groups' | 'properties',
  { text, read }: Expectation<T>,
  context: TrackContext,
  settings: TrackingSettings,
): T | undefined {
  if (tracked[option] === undefined) return undefined;
  const answer = answerOf(tracked, option, context, settings);
  if (answer === FAILED || answer === undefined || answer === null) return undefined;
  const value = readCarefully(read, answer);
  if (value === null) complain(tracked, option, `must be ${text}`, settings);
  return value ?? undefined;
}

function readCarefully<T>(read: (answer: unknown) => T | null, answer: unknown): T | null {
  try {
    return read(answer);
  } catch {
    return null;
  }
}

/** Stands for the answer of a function that failed, which has been said then. */
const FAILED = Symbol('failed');

/** A value, or what a function answers, or FAILED. */
function answerOf(
  tracked: TrackedEvent,
  option: 'distinctId' | 'groups' | 'properties' | 'when',
  context: TrackContext,
  settings: TrackingSettings,
): unknown {
  const given: unknown = tracked[option];
  try {
    const value: unknown = typeof given === 'function' ? (given as (context: TrackContext) => unknown)(context) : given;
    if (!types.isPromise(value)) return value;
    value.catch(() => undefined);
    complain(tracked, option, 'answered a promise, but it must answer at once', settings);
  } catch {
    complain(tracked, option, 'threw', settings);
  }
  return FAILED;
}

function complain({ event }: TrackedEvent, option: string, problem: string, { warn }: TrackingSettings): void {
  warn(
    `track: ${event} ${option}`,
    `@TrackEvent(${JSON.stringify(event)}): ${option} ${problem}. The event is captured without it.`,
  );
}
