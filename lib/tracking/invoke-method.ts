import { type CallSource } from '../context/call-source.js';
import { checkContext } from '../context/capture-context.js';
import { currentScope, openScope } from '../context/context-scope.js';
import { callerOf, isFieldResolver, isJobProcess } from './call/nest-metadata.js';
import { observeResult } from './call/observe-result.js';
import { openCalls } from './call/open-calls.js';
import { noteRestored } from './call/task-scopes.js';
import { TrackedCall } from './call/tracked-call.js';
import { type Method, type MethodPlan, planOf } from './call/tracked-methods.js';
import { carriedContext } from './propagation/carried-context.js';
import { trackerOf } from './tracker.js';

/**
 * Runs a decorated method. For a handler, this only passes its arguments to the call that the interceptor or the route has opened; any
 * other call (a job, a schedule, an event or command handler, a method of a service) is tracked here.
 */
export function invokeMethod(
  self: unknown,
  name: string | symbol,
  args: unknown[],
  original: Method,
  plan: MethodPlan,
): unknown {
  const run = (): unknown => original.apply(self, args);
  /** The method as others see it, perhaps wrapped by further decorators. */
  const visible =
    typeof self === 'object' && self !== null ? (self as Readonly<Record<PropertyKey, unknown>>)[name] : undefined;
  const open = openCalls.reach(visible, { self, method: original, plan, args });
  if (open !== undefined) return open.run(run);

  const tracker = trackerOf(self);
  const events = tracker?.wanted(plan.events) ?? [];
  const restores = plan.restoresContext || planOf(visible).restoresContext;
  if (events.length === 0 && !restores) return run();

  const carried = restores ? carriedContext(args[0]) : undefined;
  const around = currentScope.getStore();
  const caller = callerOf(visible);
  const transport = caller === 'grpc' ? 'rpc' : 'provider';
  // A job runs for the user who queued it, whatever context its worker was started in.
  const isAlone = around === undefined || carried !== undefined || caller !== 'unknown' || isJobProcess(self, name);
  const request: unknown = isAlone ? undefined : around.source?.request;
  const source: CallSource = { transport, ...(request !== undefined && { request }) };
  const scope = isAlone
    ? openScope(undefined, checkContext(carried, tracker?.warnOfContext ?? ignoreWarning), source)
    : around;
  const opens = isAlone && (tracker?.opensContexts === true || carried !== undefined);
  if (opens && restores) noteRestored(args[0], scope);
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

const ignoreWarning = (): void => undefined;
