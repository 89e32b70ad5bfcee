import { types } from 'node:util';
import { type ContextScope, currentScope } from '../../context/context-scope.js';
import { processSingleton } from '../../shared/process-singleton.js';
import { type TrackedCall } from './tracked-call.js';
import { type MethodPlan, planOf } from './tracked-methods.js';

/** A call that was opened before its method runs: it is waiting for the method, or the method is running. */
export interface OpenCall {
  /** The handler as Nest has it: the method, or a wrapper by other decorators. */
  readonly handler: unknown;
  /** The plan that the handler was registered with. */
  readonly plan: MethodPlan;
  /** The method that the call has reached; set by OpenCalls. */
  method: unknown;
  readonly isRunning: boolean;
  /** Work started by a request may outlive its call. */
  readonly hasEnded: boolean;
  /** The method is invoked on `self`, with these arguments if they are known. */
  begin(self: unknown, args?: readonly unknown[]): void;
  /** Runs the method. */
  run(fn: () => unknown): unknown;
}

/** A call whose result is observed by the interceptor, which also closes it. */
class InterceptedCall implements OpenCall {
  method: unknown = undefined;
  isRunning = false;
  readonly hasEnded = false;
  readonly handler: object;
  readonly plan: MethodPlan;
  readonly #call: TrackedCall;

  constructor(handler: object, call: TrackedCall) {
    this.handler = handler;
    this.plan = planOf(handler);
    this.#call = call;
  }

  begin(_self: unknown, args?: readonly unknown[]): void {
    this.#call.reached(args);
  }

  run(fn: () => unknown): unknown {
    this.isRunning = true;
    const ended = (): void => void (this.isRunning = false);
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
}

export interface Invocation {
  readonly self: unknown;
  readonly method: unknown;
  readonly plan: MethodPlan;
  readonly args: readonly unknown[];
}

/**
 * The calls that an interceptor or a route has opened. A decorated method finds its call by the context that it runs in, so that the
 * call is not tracked twice.
 */
class OpenCalls {
  readonly #byHandler = new WeakMap<object, Set<OpenCall>>();

  /**
   * @param scope the context in which the handler will run; it must not belong to another open call
   * @returns closes the call
   */
  open(scope: ContextScope, handler: object, call: TrackedCall): () => void {
    const open = new InterceptedCall(handler, call);
    scope.openCall = open;
    const calls = this.#byHandler.get(handler);
    if (calls === undefined) this.#byHandler.set(handler, new Set([open]));
    else calls.add(open);
    return () => {
      this.#byHandler.get(handler)?.delete(open);
      // On Express, a handler that calls next() shares its scope with the next handler.
      if (scope.openCall === open) scope.openCall = undefined;
    };
  }

  /**
   * Finds the open call that an invocation belongs to; undefined when it is a call of its own.
   *
   * @param handler the method as Nest has it
   */
  reach(handler: unknown, { self, method, plan, args }: Invocation): OpenCall | undefined {
    if (typeof handler !== 'function') return undefined;
    const open = this.#current(handler);
    const others = open === undefined ? this.#byHandler.get(handler) : undefined;
    if (open === undefined && (others === undefined || others.size === 0)) return undefined;
    const event = plan.events[0];
    // A decorator in between has dropped the metadata, so neither Nest nor the interceptor knows of this event.
    if (event !== undefined && !(open?.plan ?? planOf(handler)).events.includes(event)) return undefined;
    if (open === undefined) return this.#reachOutside(self, method, others ?? new Set());
    // The handler calls itself, which is a call of its own; after its end it is being retried.
    if (open.method === method && open.isRunning) return undefined;
    if (open.method === undefined) {
      open.method = method;
      open.begin(self, args);
    }
    return open;
  }

  /** Something has left the context of the call, so it may be any of those that are waiting, with any arguments. */
  #reachOutside(self: unknown, method: unknown, calls: ReadonlySet<OpenCall>): OpenCall | undefined {
    const waiting = [...calls].find((one) => one.method !== method);
    if (waiting === undefined) return undefined;
    waiting.method = method;
    for (const call of calls) call.begin(self);
    return waiting;
  }

  #current(handler: unknown): OpenCall | undefined {
    for (let scope = currentScope.getStore(); scope !== undefined; scope = scope.below) {
      const open = scope.openCall as OpenCall | undefined;
      if (open?.handler === handler) return open?.hasEnded === true ? undefined : open;
    }
    return undefined;
  }
}

export const openCalls = processSingleton('open-calls', () => new OpenCalls());
