import { types } from 'node:util';
import { type ContextScope } from '../context/context-scope.js';
import { acting } from '../context/scopes.js';
import { processWide } from '../process-wide.js';
import { observeResult } from './observe-result.js';
import { type TrackedCall } from './tracked-call.js';
import { type MethodPlan, planOf } from './tracked-methods.js';

interface OpenCall {
  /** Absent while the route that opened it waits for its method, and when nobody wants its events. */
  call: TrackedCall | undefined;
  readonly handler: unknown;
  /** Begins the call of a route, for the instance that the method is called on; absent where an interceptor watches the call. */
  readonly begin?: (self: object) => TrackedCall | undefined;
  /** The method that the call has reached. */
  reached: unknown;
  /** Whether it has not yet answered. */
  isRunning: boolean;
}

/** A method that runs now. */
export interface Reaching {
  readonly self: unknown;
  readonly method: unknown;
  readonly plan: MethodPlan;
  readonly args: readonly unknown[];
}

/**
 * Calls that the interceptor or their route tracks. Their method finds the call that it serves by the context that it runs in, and
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
   * The same for a route, whose call begins when its method is reached.
   *
   * @param begin makes the call; undefined when nobody wants its events
   */
  enter(scope: ContextScope, handler: object, begin: (self: object) => TrackedCall | undefined): void {
    const open: OpenCall = { call: undefined, handler, begin, reached: undefined, isRunning: false };
    scope.serves = open;
  }

  /** The handler of the route is none of the request's any more. */
  leave(scope: ContextScope): void {
    const open = scope.serves as OpenCall | undefined;
    if (open?.begin !== undefined) scope.serves = undefined;
  }

  /**
   * Whether a method that runs now is the handler of an open call, which then knows its arguments.
   *
   * @param handler what Nest has for the handler: the method, or what other decorators have made of it
   */
  reach(handler: unknown, { self, method, plan, args }: Reaching): OpenCall | undefined {
    if (typeof handler !== 'function') return undefined;
    const open = this.current(handler);
    const calls = this.byHandler.get(handler);
    if (open === undefined && (calls === undefined || calls.size === 0)) return undefined;
    const [event] = plan.events;
    // Nest has not heard of what a decorator in between has lost, so neither has the interceptor.
    if (event !== undefined && !planOf(handler).events.includes(event)) return undefined;
    // Something on the way has left the context of the call, so it could be any that still waits for its method.
    if (open === undefined) {
      const waiting = [...(calls ?? [])].find(({ reached }) => reached !== method);
      if (waiting === undefined) return undefined;
      waiting.reached = method;
      for (const { call } of calls ?? []) call?.reached();
      return waiting;
    }
    // The handler calls itself, which is a call of its own; one that has answered is tried again.
    if (open.reached === method && open.isRunning) return undefined;
    if (open.reached === undefined) {
      open.reached = method;
      open.call ??= open.begin?.(self as object);
      open.call?.reached(args);
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
      if (open.begin !== undefined) open.call?.noteError(error);
      throw error;
    }
    if (open.begin !== undefined) return this.noted(result, open);
    if (types.isPromise(result)) result.then(ended, ended);
    else ended();
    return result;
  }

  /** What the method returns is all that is known of how the call of a route went, but for its response. */
  private noted(result: unknown, open: OpenCall): unknown {
    const { call } = open;
    const ended = (): void => void (open.isRunning = false);
    return observeResult(result, {
      succeeded: (value) => {
        ended();
        call?.noteResult(value);
      },
      failed: (error) => {
        ended();
        call?.noteError(error);
      },
      abandoned: ended,
    });
  }

  private current(handler: unknown): OpenCall | undefined {
    for (let scope = acting.getStore(); scope !== undefined; scope = scope.below) {
      const open = scope.serves as OpenCall | undefined;
      // What a request has started may outlive its response.
      if (open?.handler === handler)
        return open?.begin !== undefined && open.call?.hasEnded === true ? undefined : open;
    }
    return undefined;
  }
}

export const openCalls = processWide('open-calls', () => new OpenCalls());
