import 'reflect-metadata';
import { type CallSource } from '../context/call-source.js';
import { checkContext } from '../context/capture-context.js';
import { currentScope, openScope } from '../context/context-scope.js';
import { carriedContext } from './propagation/carried-context.js';
import { isFieldResolver } from './call/handlers.js';
import { isStreamCall } from './http/routes.js';
import { observeResult } from './call/observe-result.js';
import { openCalls } from './call/open-calls.js';
import { ownerOf } from './owner.js';
import { TrackedCall } from './call/tracked-call.js';
import { type Method, type MethodPlan, planOf } from './call/tracked-methods.js';

/** The metadata of BullMQ's processors, and of methods that hear of what became of a job. */
const PROCESSOR = 'bullmq:processor_metadata';
const JOB_EVENTS = ['bullmq:worker_events_metadata', 'bullmq:queue_events_metadata'];
const PROCESS = 'process';

/**
 * Runs a decorated method. Handlers that the interceptor tracks only tell it their arguments; any other call (a job, a schedule, an
 * event or command handler, a service's own) is tracked here.
 */
export function invokeMethod(
  self: unknown,
  name: string | symbol,
  args: unknown[],
  original: Method,
  plan: MethodPlan,
): unknown {
  const run = (): unknown => original.apply(self, args);
  const visible =
    typeof self === 'object' && self !== null ? (self as Readonly<Record<PropertyKey, unknown>>)[name] : undefined;
  const open = openCalls.reach(visible, { self, method: original, plan, args });
  if (open !== undefined) return openCalls.run(open, run);

  const tracker = ownerOf(self);
  const events = tracker?.wanted(plan.events) ?? [];
  const restores = plan.restoresContext || planOf(visible).restoresContext;
  if (events.length === 0 && !restores) return run();

  const carried = restores ? carriedContext(args[0]) : undefined;
  const around = currentScope.getStore();
  // A job is nobody's errand but that of who queued it, whatever context its worker was started in.
  const caller = callerOf(visible);
  const transport = caller === 'grpc' ? 'rpc' : 'provider';
  const isAlone = around === undefined || carried !== undefined || caller !== 'anybody' || isProcess(self, name);
  const request: unknown = isAlone ? undefined : around.source?.request;
  const source: CallSource = { transport, ...(request !== undefined && { request }) };
  const scope = isAlone
    ? openScope(undefined, checkContext(carried, tracker?.warnOfContext ?? nobody), source)
    : around;
  const opens = isAlone && (tracker?.opensContexts === true || carried !== undefined);
  const runInScope = (): unknown => (opens ? currentScope.run(scope, run) : run());
  if (tracker === undefined || events.length === 0 || isFieldResolver(visible, tracker)) return runInScope();

  const call = new TrackedCall({ events, source, scope, capture: tracker.capture });
  call.reached(args);
  let result: unknown;
  try {
    result = runInScope();
  } catch (error) {
    call.failed(error);
    throw error;
  }
  return observeResult(result, call);
}

/** Those that hear what is wrong in a context that a call carries. */
const nobody = (): void => undefined;

type Caller = 'grpc' | 'job event' | 'anybody';

/** Metadata are slow to read, and those of a method do not change once it is called. */
const callers = new WeakMap<object, Caller>();

/** Who calls a method, as far as its metadata say. */
function callerOf(visible: unknown): Caller {
  if (typeof visible !== 'function') return 'anybody';
  const known = callers.get(visible);
  if (known !== undefined) return known;
  const isJobEvent = JOB_EVENTS.some((key) => Reflect.hasMetadata(key, visible));
  const caller = isStreamCall(visible) ? 'grpc' : isJobEvent ? 'job event' : 'anybody';
  callers.set(visible, caller);
  return caller;
}

/** Not of the helpers of a processor, which go on with the job of their caller. */
const isProcess = (self: unknown, name: string | symbol): boolean =>
  name === PROCESS && Reflect.hasMetadata(PROCESSOR, (self as object).constructor);
