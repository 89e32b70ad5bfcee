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
}

/**
 * Calls that the interceptor tracks. Their method finds the call that it serves by the context that it runs in, and
 * knows by that that it must not be tracked once more.
 */
class OpenCalls {
  private readonly byScope = new WeakMap<ContextScope, OpenCall>();
  private readonly byHandler = new WeakMap<object, Set<TrackedCall>>();

  /** @param scope the context in which the handler will run; it serves no other call meanwhile */
  open(scope: ContextScope, handler: object, call: TrackedCall): void {
    this.byScope.set(scope, { call, handler, reached: undefined });
    const calls = this.byHandler.get(handler);
    if (calls === undefined) this.byHandler.set(handler, new Set([call]));
    else calls.add(call);
  }

  /**
   * Whether a method that runs now is the handler of an open call, which then knows its arguments.
   *
   * @param handler what Nest has for the handler: the method, or what other decorators have made of it
   */
  reach(handler: unknown, method: unknown, plan: MethodPlan, args: readonly unknown[]): boolean {
    const calls = typeof handler === 'function' ? this.byHandler.get(handler) : undefined;
    if (calls === undefined || calls.size === 0) return false;
    const [event] = plan.events;
    // Nest has not heard of what a decorator in between has lost, so neither has the interceptor.
    if (event !== undefined && !planOf(handler).events.includes(event)) return false;
    const open = this.current(handler);
    // Something on the way has left the context of the call, so it could be any of them: tracked, if without arguments.
    if (open === undefined) {
      for (const call of calls) call.reached();
      return true;
    }
    // The handler calls itself, which is a call of its own.
    if (open.reached === method) return false;
    if (open.reached === undefined) {
      open.reached = method;
      open.call.reached(args);
    }
    return true;
  }

  close(scope: ContextScope, call: TrackedCall): void {
    const open = this.byScope.get(scope);
    if (open?.call !== call) return;
    this.byScope.delete(scope);
    this.byHandler.get(open.handler as object)?.delete(call);
  }

  private current(handler: unknown): OpenCall | undefined {
    for (let scope = acting.getStore(); scope !== undefined; scope = scope.below) {
      const open = this.byScope.get(scope);
      if (open?.handler === handler) return open;
    }
    return undefined;
  }
}

export const openCalls = processWide('open-calls', () => new OpenCalls());
