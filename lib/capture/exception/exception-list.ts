import { fieldOf } from '../../shared/untrusted-values.js';
import { type CaptureBoundary } from './capture-boundary.js';
import { errorTree, type Relation, type TreeNode } from './error-tree.js';
import { type FrameDescriber, type Stack, type StackFrame } from './frame-describer.js';
import { type StackCall, stackCalls } from './stack-calls.js';
import { cut, isError, messageOf, stackOf, typeOf } from './thrown-value.js';

/** Characters of the message of a cause or member: an event of 50 errors must not become too large. */
const MAX_NESTED_MESSAGE = 2048;
/** Frames of one event, for the same reason. */
const MAX_FRAMES = 500;

/** The captured error: index 0 of the list. */
interface OutermostMechanism {
  readonly type: string;
  readonly handled: boolean;
  /** true: the value is not an Error, or its stack was created here. */
  readonly synthetic: boolean;
  readonly exception_id: number;
}

/** A cause or member. Whether it was handled is unknown. */
interface ChainedMechanism {
  readonly type: 'chained';
  readonly source: Relation;
  readonly synthetic: boolean;
  readonly exception_id: number;
  readonly parent_id: number;
}

/** An entry of PostHog's `$exception_list`. */
export interface ExceptionEntry {
  readonly type: string;
  readonly value: string;
  readonly mechanism: OutermostMechanism | ChainedMechanism;
  readonly stacktrace?: { readonly type: 'raw'; readonly frames: StackFrame[] };
}

/**
 * Describes a thrown value for PostHog's error tracking: the captured error first, each cause and member after its parent. Never throws.
 *
 * @param calledFrom the function in which the application captured the value, for a value without a stack
 */
export function exceptionList(
  thrown: unknown,
  boundary: CaptureBoundary,
  frames: FrameDescriber,
  calledFrom?: unknown,
): ExceptionEntry[] {
  const nodes = errorTree(thrown);
  const stacks = limited(
    nodes.map(({ error, parent }) => stackFor(error, parent === undefined ? calledFrom : undefined)),
  );
  const framesOf = frames.framesOf(stacks);
  return nodes.map((node, id) => entryOf(node, id, boundary, framesOf[id] ?? []));
}

function entryOf(
  { error, relation, parent }: TreeNode,
  id: number,
  boundary: CaptureBoundary,
  frames: StackFrame[],
): ExceptionEntry {
  const synthetic = !isError(error);
  const message = messageOf(error);
  const isNested = relation !== undefined && parent !== undefined;
  return {
    type: typeOf(error),
    value: isNested ? cut(message, MAX_NESTED_MESSAGE) : message,
    mechanism: isNested
      ? { type: 'chained', source: relation, synthetic, exception_id: id, parent_id: parent }
      : { type: boundary.type, handled: boundary.handled, synthetic, exception_id: id },
    ...(frames.length > 0 && { stacktrace: { type: 'raw', frames } }),
  };
}

function stackFor(error: unknown, calledFrom: unknown): Stack {
  const isOwn = isError(error);
  const stack = stackOf(error);
  const message = fieldOf(error, 'message');
  if (stack !== undefined) return { calls: stackCalls(stack, typeof message === 'string' ? message : ''), isOwn };
  return { calls: !isOwn && typeof calledFrom === 'function' ? callsOf(calledFrom) : [], isOwn: true };
}

/** The calls that led to a function. */
function callsOf(calledFrom: object): StackCall[] {
  const holder: { stack?: unknown } = {};
  Error.captureStackTrace(holder, calledFrom as () => unknown);
  const { stack } = holder;
  return typeof stack === 'string' ? stackCalls(stack, '') : [];
}

/** Keeps the innermost calls of each stack, all of the first ones before any of the later ones. */
function limited(stacks: readonly Stack[]): readonly Stack[] {
  let left = MAX_FRAMES;
  return stacks.map(({ calls, isOwn }) => {
    const kept = calls.slice(Math.max(0, calls.length - left));
    left -= kept.length;
    return { calls: kept, isOwn };
  });
}
