import { types } from 'node:util';
import { type CaptureService } from '../capture/capture.service.js';
import { type ContextScope, personlessIdOf } from '../context/context-scope.js';
import { distinctIdOf } from '../context/distinct-id.js';
import { type GroupKeys, groupKeysOf } from '../context/group-keys.js';
import { acting } from '../context/scopes.js';
import { copyOwn, isBag } from '../context/untrusted-values.js';
import { isSampled } from './sampling.js';
import { type TrackContext, type TrackedEvent } from './track-event.options.js';
import { type TrackingSettings } from './tracking-settings.js';

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
  const complain = (option: string, problem: string): void =>
    settings.warn(
      `track: ${event} ${option}`,
      `@TrackEvent(${JSON.stringify(event)}): ${option} ${problem}. The event is captured without it.`,
    );
  const contribution = <T>(option: 'distinctId' | 'groups' | 'properties', expected: string, read: Read<T>) => {
    const answer = answerOf(tracked[option], context, (problem) => complain(option, problem))?.value ?? undefined;
    if (answer === undefined) return undefined;
    const value = readCarefully(read, answer);
    if (value === null) complain(option, `must be ${expected}`);
    return value ?? undefined;
  };

  if (tracked.when !== undefined) {
    const answer = answerOf(tracked.when, context, (problem) => complain('when', problem));
    if (answer !== undefined && !answer.value) return;
  }
  const distinctId = contribution('distinctId', 'a text of at most 200 bytes or a finite number', distinctIdOf);
  if (sampleRate < 1 && !isSampled(event, distinctId ?? actingPerson(capture), sampleRate)) return;
  const groups = contribution<GroupKeys>('groups', 'an object of group types and keys', groupKeysOf);
  const properties = contribution('properties', 'an object of names and values', readBag);
  capture.capture({
    event,
    ...(distinctId !== undefined && { distinctId }),
    ...(groups !== undefined && { groups }),
    properties: { ...properties, ...propertiesOf(context) },
  });
}

/** What every tracked event says of its call. */
export function propertiesOf({
  outcome,
  durationMs,
  transport,
  statusCode,
}: Pick<TrackContext, 'outcome' | 'durationMs' | 'transport' | 'statusCode'>): Record<string, unknown> {
  return {
    $outcome: outcome,
    $duration_ms: durationMs,
    $transport: transport,
    ...(statusCode !== undefined && { $response_status_code: statusCode }),
  };
}

/** The person whom the context names, or the random id that stands for nobody, as the event will have it. */
export function actingPerson(capture: Partial<Pick<CaptureService, 'context'>>): string {
  // A stand-in for the service may have no context.
  const distinctId = capture.context?.get().distinctId;
  const scope: ContextScope | undefined = acting.getStore();
  return distinctId !== undefined ? String(distinctId) : scope === undefined ? '' : personlessIdOf(scope);
}

type Read<T> = (answer: unknown) => T | null;

/** Copied, so that a getter that throws costs its own value. */
const readBag: Read<Record<string, unknown>> = (answer) => {
  if (!isBag(answer)) return null;
  const copy = {};
  copyOwn(copy, answer);
  return copy;
};

function readCarefully<T>(read: Read<T>, answer: unknown): T | null {
  try {
    return read(answer);
  } catch {
    return null;
  }
}

/** A value, or what a function answers; undefined when it failed, which has been said then. */
function answerOf(
  given: unknown,
  context: TrackContext,
  complain: (problem: string) => void,
): { readonly value: unknown } | undefined {
  try {
    const value: unknown = typeof given === 'function' ? (given as (context: TrackContext) => unknown)(context) : given;
    if (!types.isPromise(value)) return { value };
    value.catch(() => undefined);
    complain('answered a promise, but it must answer at once');
  } catch {
    complain('threw');
  }
  return undefined;
}
