import { types } from 'node:util';
import { type ContextScope, currentScope } from '../../context/context-scope.js';
import { processSingleton } from '../../shared/process-singleton.js';
import { type CallObserver, observeResult } from './observe-result.js';
import { type TrackedCall } from './tracked-call.js';
import { type MethodPlan, planOf } from './tracked-methods.js';

/** Begins the call of a route, for the instance that its method is called on; undefined when nobody wants its events. */
type Begin = (self: object) => TrackedCall | undefined;

/** A call that waits for its method, or that its method serves. Hears of the method's result where no interceptor does. */
class OpenCall implements CallObserver {
  /** The method that the call has reached. */
  reached: unknown = undefined;
  /** Whether it has not yet answered. */
  isRunning = false;

  constructor(
    readonly handler: unknown,
    /** Absent while the route that opened it waits for its method, and when nobody wants its events. */
    public call: TrackedCall | undefined,
    /** Absent where an interceptor watches the call. */
    readonly route: { readonly plan: MethodPlan; readonly begin: Begin } | undefined,
  ) {}

  /** Whether all of it is over: what a request has started may outlive its response. */
  get isOver(): boolean {
    return this.route !== undefined && this.call?.hasEnded === true;
  }

  succeeded(result: unknown): void {
    this.isRunning = false;
    this.call?.noteResult(result);
  }

  failed(error: unknown): void {
    this.isRunning = false;
    this.call?.noteError(error);
  }

  abandoned(): void {
    this.isRunning = false;
  }
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
    const open = new OpenCall(handler, call, undefined);
    scope.openCall = open;
    const calls = this.byHandler.get(handler);
    if (calls === undefined) this.byHandler.set(handler, new Set([open]));
    else calls.add(open);
    return () => {
      this.byHandler.get(handler)?.delete(open);
      // Express: a handler that passed its request on, and the next one, share the scope.
      if (scope.openCall === open) scope.openCall = undefined;
    };
  }

  /** The same for a route, whose call begins when its method is reached. */
  enter(scope: ContextScope, handler: object, plan: MethodPlan, begin: Begin): void {
    scope.openCall = new OpenCall(handler, undefined, { plan, begin });
  }

  /** The handler of the route is none of the request's any more. */
  leave(scope: ContextScope): void {
    const open = scope.openCall as OpenCall | undefined;
    if (open?.route !== undefined) scope.openCall = undefined;
  }

  /**
   * Whether a method that runs now is the handler of an open call, which then knows its arguments.
   *
   * @param handler what Nest has for the handler: the method, or what other decorators have made of it
   */
  reach(handler: unknown, { self, method, plan, args }: Reaching): OpenCall | undefined {
    if (typeof handler !== 'function') return undefined;
    const open = this.current(handler);
    const calls = open === undefined ? this.byHandler.get(handler) : undefined;
    if (open === undefined && (calls === undefined || calls.size === 0)) return undefined;
    const event = plan.events[0];
    // Nest has not heard of what a decorator in between has lost, so nobody else has.
    if (event !== undefined && !(open?.route?.plan ?? planOf(handler)).events.includes(event)) return undefined;
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
      open.call ??= open.route?.begin(self as object);
      open.call?.reached(args);
    }
    return open;
  }

  /** Runs the method that an open call has reached. */
  run(open: OpenCall, fn: () => unknown): unknown {
    open.isRunning = true;
    let result: unknown;
    try {
      result = fn();
    } catch (error) {
      if (open.route === undefined) open.isRunning = false;
      else open.failed(error);
      throw error;
    }
    // Of the call of a route nothing else is known but its response.
    if (open.route !== undefined) return observeResult(result, open);
    const ended = (): void => void (open.isRunning = false);
    if (types.isPromise(result)) result.then(ended, ended);
    else ended();
    return result;
  }

  private current(handler: unknown): OpenCall | undefined {
    for (let scope = currentScope.getStore(); scope !== undefined; scope = scope.below) {
      const open = scope.openCall as OpenCall | undefined;
      if (open?.handler === handler) return open?.isOver === true ? undefined : open;
    }
    return undefined;
  }
}

export const openCalls = processSingleton('open-calls', () => new OpenCalls());
