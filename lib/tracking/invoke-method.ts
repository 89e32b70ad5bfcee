import 'reflect-metadata';
import { type CallSource } from '../context/call-source.js';
import { checkContext } from '../context/check-context.js';
import { openScope } from '../context/context-scope.js';
import { acting } from '../context/scopes.js';
import { carriedContext } from './carried-context.js';
import { isFieldResolver } from './field-resolvers.js';
import { observeResult } from './observe-result.js';
import { openCalls } from './open-calls.js';
import { ownerOf } from './owner.js';
import { TrackedCall } from './tracked-call.js';
import { type Method, type MethodPlan, planOf } from './tracked-methods.js';

const PROCESSOR = 'bullmq:processor_metadata';

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
  const carried = plan.restoresContext || planOf(visible).restoresContext ? carriedContext(args[0]) : undefined;
  if (tracker === undefined || events.length === 0 || isFieldResolver(visible, tracker)) {
    return carried === undefined
      ? run()
      : acting.run(
          openScope(
            undefined,
            checkContext(carried, () => undefined),
          ),
          run,
        );
  }

  const around = acting.getStore();
  // A job is nobody's errand but that of who queued it, whatever context its worker was started in.
  const isAlone = around === undefined || carried !== undefined || isProcessor(self);
  const request: unknown = isAlone ? undefined : around.source?.request;
  const source: CallSource = { transport: 'provider', ...(request !== undefined && { request }) };
  const scope = isAlone ? openScope(undefined, checkContext(carried, tracker.warnOfContext), source) : around;
  const call = new TrackedCall({ events, source, scope, capture: tracker.capture });
  call.reached(args);
  const opens = isAlone && (tracker.opensContexts || carried !== undefined);
  let result: unknown;
  try {
    result = opens ? acting.run(scope, run) : run();
  } catch (error) {
    call.failed(error);
    throw error;
  }
  return observeResult(result, call);
}

const isProcessor = (self: unknown): boolean => Reflect.hasMetadata(PROCESSOR, (self as object).constructor);
