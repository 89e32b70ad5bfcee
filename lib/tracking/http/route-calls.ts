import 'reflect-metadata';
import { type Type } from '@nestjs/common';
import { type ModulesContainer } from '@nestjs/core';
import { ExecutionContextHost } from '@nestjs/core/helpers/execution-context-host.js';
import { RouterExplorer } from '@nestjs/core/router/router-explorer.js';
import { rawOf } from '../../context/call-source.js';
import { type ContextScope, innermost, within } from '../../context/context-scope.js';
import { AttachedState } from '../../shared/attached-state.js';
import { enhancersOf, isMessageHandler, methodsOf, ownInterceptors, setEnhancers } from '../call/nest-metadata.js';
import { type CallObserver, observeResult } from '../call/observe-result.js';
import { type OpenCall } from '../call/open-calls.js';
import { TrackedCall } from '../call/tracked-call.js';
import { type Method, type MethodPlan } from '../call/tracked-methods.js';
import { type TrackingApp } from '../call/tracking-instance.js';
import { requestScope } from '../propagation/call-scopes.js';
import { beforeEnd, type RawResponse } from './response-end.js';
import { endWithResponse, noteResult } from './response-outcome.js';

/**
 * An optimization: handlers of which only successes are captured get no interceptor; their route opens the call. This file is all there
 * is to it. It saves 0.43 of what the interceptor adds to a request on Fastify and 0.36 on Express, measured on Nest 12 and Node 20.
 * test/e2e/tracking/route-calls.spec.ts shows that both ways capture the same events.
 */

/** The interceptors that were taken from a handler. */
const TAKEN = Symbol.for('nestjs-posthog-capture:taken-interceptors');

/** Nest 10.0 and 10.1 do not pass the metadata of handlers on to the routes. */
const routesKnowTheirHandlers = 'copyMetadataToCallback' in RouterExplorer.prototype;

/**
 * Takes the interceptor from a handler whose route can open the call, or gives it back. Must run just before Nest registers the route.
 *
 * @returns true if the route has to open the call
 */
export function takeCallIntoRoute(handler: Method, plan: MethodPlan, mayOpenCalls: boolean): boolean {
  const taken = (Reflect.getMetadata(TAKEN, handler) as readonly unknown[] | undefined) ?? [];
  const interceptors = [...taken, ...enhancersOf('interceptors', handler)];
  const opensCall = mayOpenCalls && routesKnowTheirHandlers && canOpenCall(handler, plan, interceptors);
  if (opensCall || taken.length > 0) {
    setEnhancers('interceptors', handler, opensCall ? [] : interceptors);
    Reflect.defineMetadata(TAKEN, opensCall ? interceptors : [], handler);
  }
  return opensCall;
}

/**
 * Gives handlers back their interceptors. Must run when Nest has registered the routes: another application with the same handlers looks
 * for interceptors when it reads its modules, and could not add one later.
 */
export function giveBackCalls(modules: ModulesContainer): void {
  for (const handler of methodsOf(modules)) {
    const taken = Reflect.getOwnMetadata(TAKEN, handler) as readonly unknown[] | undefined;
    if (taken === undefined || taken.length === 0) continue;
    setEnhancers('interceptors', handler, [...taken, ...enhancersOf('interceptors', handler)]);
    Reflect.defineMetadata(TAKEN, [], handler);
  }
}

/** A success does not depend on guards and pipes. Other interceptors of the method may run around ours or inside it, and may fail. */
function canOpenCall(handler: Method, { events }: MethodPlan, interceptors: readonly unknown[]): boolean {
  return (
    events.every(({ on }) => on.every((outcome) => outcome === 'success')) &&
    interceptors.every((one) => typeof one === 'function' && ownInterceptors.has(one)) &&
    !isMessageHandler(handler)
  );
}

/** A call that begins when its method is reached, and ends with the response. */
class RouteCall implements OpenCall, CallObserver {
  method: unknown = undefined;
  isRunning = false;
  readonly handler: Method;
  readonly plan: MethodPlan;
  readonly #create: (self: object) => TrackedCall | undefined;
  /** Absent until the method is reached, and when no instance captures its events. */
  #call: TrackedCall | undefined;

  constructor(handler: Method, plan: MethodPlan, create: (self: object) => TrackedCall | undefined) {
    this.handler = handler;
    this.plan = plan;
    this.#create = create;
  }

  get hasEnded(): boolean {
    return this.#call?.hasEnded === true;
  }

  begin(self: unknown, args?: readonly unknown[]): void {
    this.#call ??= this.#create(self as object);
    this.#call?.reached(args);
  }

  run(fn: () => unknown): unknown {
    this.isRunning = true;
    let result: unknown;
    try {
      result = fn();
    } catch (error) {
      this.failed(error);
      throw error;
    }
    return observeResult(result, this);
  }

  succeeded(result: unknown): void {
    this.isRunning = false;
    if (this.#call !== undefined) noteResult(this.#call, result);
  }

  failed(error: unknown): void {
    this.isRunning = false;
    this.#call?.noteError(error);
  }

  abandoned(): void {
    this.isRunning = false;
  }
}

/** By raw request: the layer in which its route has opened a call. */
const entered = new AttachedState<ContextScope>('entered-route');

/** Opens the call of a route, and continues in the context of the request. */
export function enterCall(
  { handler, plan }: { readonly handler: Method; readonly plan: MethodPlan },
  request: object,
  response: object,
  app: TrackingApp,
  next: () => void,
): void {
  const { scope, source } = requestScope(request);
  const inside = innermost(scope);
  entered.set(rawOf(request) ?? request, inside);
  inside.openCall = new RouteCall(handler, plan, (self) => {
    const raw = rawOf<RawResponse>(response);
    const events = app.wanted(plan.events);
    if (raw === undefined || events.length === 0) return undefined;
    // Nest creates one only for guards, pipes and interceptors.
    const execution = new ExecutionContextHost([request, response], self.constructor as Type, handler);
    source.execution = execution;
    const call = new TrackedCall({
      events,
      // A copy: another handler may serve the same request after this one.
      source: { transport: 'http', request, execution },
      scope: innermost(inside),
      capture: app.capture,
    });
    // If the connection closes earlier, the call did not succeed; only successes are captured here.
    beforeEnd(raw, (end) => endWithResponse(call, end));
    return call;
  });
  within(inside, next);
}

/** The handler has passed the request on to the next one. */
export function leaveCall(request: object): void {
  const scope = entered.get(rawOf(request) ?? request);
  if (scope?.openCall instanceof RouteCall) scope.openCall = undefined;
}
