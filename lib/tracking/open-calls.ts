import { types } from 'node:util';
import { type ContextScope } from '../context/context-scope.js';
import { acting } from '../context/scopes.js';
import { processWide } from '../process-wide.js';
import { type TrackedCall } from './tracked-call.js';
import { type MethodPlan, planOf } from './tracked-methods.js';

interface OpenCall {
  readonly call: TrackedCall;
  readonly handler: unknown;
  /** The method that the call has reached. */
  reached: unknown;
  /** Whether it has not yet answered. */
  isRunning: boolean;
}

/**
 * Calls that the interceptor tracks. Their method finds the call that it serves by the context that it runs in, and
 * knows by that that it must not be tracked once more.
 */
class OpenCalls {
  private readonly byHandler = new WeakMap<object, Set<OpenCall>>();

  /** @param scope the context in which the handler will run; it serves no other call meanwhile */
  open(scope: ContextScope, handler: object, call: TrackedCall): () => void {
    const open: OpenCall = { call, handler, reached: undefined, isRunning: false };
    scope.serves = open;
    const calls = this.byHandler.get(handler);
    if (calls === undefined) this.byHandler.set(handler, new Set([open]));
    else calls.add(open);
    return () => {
      this.byHandler.get(handler)?.delete(open);
      // Express: a handler that passed its request on, and the next one, share the scope.
      if (scope.serves === open) scope.serves = undefined;
    };
  }

  /**
   * Whether a method that runs now is the handler of an open call, which then knows its arguments.
   *
   * @param handler what Nest has for the handler: the method, or what other decorators have made of it
   */
  reach(handler: unknown, method: unknown, plan: MethodPlan, args: readonly unknown[]): OpenCall | undefined {
    const calls = typeof handler === 'function' ? this.byHandler.get(handler) : undefined;
    if (calls === undefined || calls.size === 0) return undefined;
    const [event] = plan.events;
    // Nest has not heard of what a decorator in between has lost, so neither has the interceptor.
    if (event !== undefined && !planOf(handler).events.includes(event)) return undefined;
    const open = this.current(handler);
    // Something on the way has left the context of the call, so it could be any that still waits for its method.
    if (open === undefined) {
      const waiting = [...calls].find(({ reached }) => reached !== method);
      if (waiting === undefined) return undefined;
      waiting.reached = method;
      for (const { call } of calls) call.reached();
      return waiting;
    }
    // The handler calls itself, which is a call of its own; one that has answered is tried again.
    if (open.reached === method && open.isRunning) return undefined;
    if (open.reached === undefined) {
      open.reached = method;
      open.call.reached(args);
    }
    return open;
  }

  /** Runs the method that an open call has reached. */
  run(open: OpenCall, fn: () => unknown): unknown {
    const ended = (): void => void (open.isRunning = false);
    open.isRunning = true;
    let result: unknown;
    try {
      result = fn();
    } catch (error) {
      ended();
      throw error;
    }
    if (types.isPromise(result)) result.then(ended, ended);
    else ended();
    return result;
  }

  private current(handler: unknown): OpenCall | undefined {
    for (let scope = acting.getStore(); scope !== undefined; scope = scope.below) {
      const open = scope.serves as OpenCall | undefined;
      if (open?.handler === handler) return open;
    }
    return undefined;
  }
}

export const openCalls = processWide('open-calls', () => new OpenCalls());
