import { cleanCopy } from '../../json/safe-json.js';
import { isObject } from '../../shared/untrusted-values.js';
import { cut } from './thrown-value.js';

type Properties = Record<string, unknown>;

/** More than a list of errors can have. A larger one is not of this package: `beforeSend` has made it. */
const MAX_BYTES = 4 * 1024 * 1024;
const MAX_ENTRIES = 50;
/** More than the recorded steps can have. Larger ones are the application's. */
const MAX_STEPS_BYTES = 64 * 1024;

/** A part of an error, and one way to make it smaller; changes the properties in place. */
interface Cut {
  readonly part: 'source lines' | 'steps' | 'frames' | 'messages' | 'causes';
  readonly apply: (properties: Properties) => void;
}

/** The least important first. Each may assume those before it. */
const CUTS: readonly Cut[] = [
  { part: 'source lines', apply: (properties) => forEachStack(properties, keepSourceOfThrow) },
  { part: 'source lines', apply: (properties) => forEachStack(properties, removeSource) },
  ...[50, 10, 0].map((count): Cut => ({ part: 'steps', apply: (properties) => keepSteps(properties, count) })),
  ...[20, 10, 4, 2].map((count): Cut => ({ part: 'frames', apply: (properties) => keepFrames(properties, count) })),
  ...[1024, 256].map((length): Cut => ({ part: 'messages', apply: (properties) => cutMessages(properties, length) })),
  ...[20, 5, 1].map((count): Cut => ({ part: 'causes', apply: (properties) => keepEntries(properties, count) })),
];

export interface Trimmed {
  readonly properties: Properties;
  /** The parts that are smaller now. */
  readonly parts: readonly string[];
}

/**
 * Makes an error of `captureException` that is too large fit: leaves out source lines, steps, frames in the middle of a stack, the ends of
 * messages, and causes, in this order, as far as necessary. Properties of the application stay as they are, and may be of any size.
 *
 * @returns null if the error does not fit without any of them either
 */
export function trimException(properties: Properties, fits: (properties: Properties) => boolean): Trimmed | null {
  const smallest = copyOf(properties);
  const trimmed = copyOf(properties);
  if (smallest === null || trimmed === null) return null;
  for (const { apply } of CUTS) apply(smallest);
  if (!fits(smallest)) return null;
  const parts = new Set<string>();
  let size = sizeOf(trimmed);
  if (trimmed.$exception_steps === undefined && properties.$exception_steps !== undefined) parts.add('steps');
  for (const { part, apply } of CUTS) {
    apply(trimmed);
    const left = sizeOf(trimmed);
    if (left === size) continue;
    size = left;
    parts.add(part);
    if (fits(trimmed)) break;
  }
  return { properties: trimmed, parts: [...parts] };
}

/** Of what is trimmed, in characters. */
const sizeOf = ({ $exception_list: list, $exception_steps: steps, $exception_message: message }: Properties): number =>
  JSON.stringify([list, steps, message]).length;

/** Only what is trimmed is copied. */
function copyOf(properties: Properties): Properties | null {
  const { $exception_list: list, $exception_steps: steps, ...others } = properties;
  if (!Array.isArray(list) || list.length > MAX_ENTRIES) return null;
  const copy = cleanCopy(list, MAX_BYTES);
  if (copy === 'too_large') return null;
  const kept = steps === undefined ? 'too_large' : cleanCopy(steps, MAX_STEPS_BYTES);
  return {
    ...others,
    $exception_list: copy.value,
    ...(kept !== 'too_large' && { $exception_steps: kept.value }),
  };
}

function entriesOf({ $exception_list: list }: Properties): Properties[] {
  return Array.isArray(list) ? list.filter(isObject) : [];
}

/** @param change gets the frames, outermost first, and changes them in place */
function forEachStack(properties: Properties, change: (frames: Properties[], stack: Properties) => void): void {
  for (const { stacktrace } of entriesOf(properties))
    if (isObject(stacktrace) && Array.isArray(stacktrace.frames))
      change(stacktrace.frames.filter(isObject), stacktrace);
}

/** The innermost call of the application shows where the error was thrown. */
function keepSourceOfThrow(frames: Properties[]): void {
  const thrower = frames.findLast(({ in_app: isOwn }) => isOwn === true);
  removeSource(frames.filter((frame) => frame !== thrower));
}

function removeSource(frames: Properties[]): void {
  for (const frame of frames)
    for (const name of ['pre_context', 'context_line', 'post_context']) Reflect.deleteProperty(frame, name);
}

function keepSteps(properties: Properties, count: number): void {
  const { $exception_steps: steps } = properties;
  if (!Array.isArray(steps)) return;
  if (count === 0) Reflect.deleteProperty(properties, '$exception_steps');
  else properties.$exception_steps = steps.slice(-count);
}

function keepFrames(properties: Properties, count: number): void {
  forEachStack(properties, (frames, stack) => {
    if (frames.length <= count) return;
    stack.frames = [...frames.slice(0, Math.floor(count / 2)), ...frames.slice(-Math.ceil(count / 2))];
  });
}

function cutMessages(properties: Properties, length: number): void {
  const { $exception_message: message } = properties;
  if (typeof message === 'string') properties.$exception_message = cut(message, length);
  for (const entry of entriesOf(properties))
    if (typeof entry.value === 'string') entry.value = cut(entry.value, length);
}

/** Parents come before their children, so that those of the first entries are there. */
function keepEntries(properties: Properties, count: number): void {
  const { $exception_list: list } = properties;
  if (Array.isArray(list)) properties.$exception_list = list.slice(0, count);
}
