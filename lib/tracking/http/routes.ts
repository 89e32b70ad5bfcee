import 'reflect-metadata';
import { type CanActivate, type ExecutionContext } from '@nestjs/common';
import { type ModulesContainer } from '@nestjs/core';
import { rawOf } from '../../context/call-source.js';
import { processSingleton } from '../../shared/process-singleton.js';
import { enhancersOf, isHttpHandler, methodsOf, setEnhancers } from '../call/nest-metadata.js';
import { type Method, type MethodPlan, planOf } from '../call/tracked-methods.js';
import { takeCallIntoRoute } from './route-calls.js';

const FASTIFY_ROUTE_CONFIG = '__fastify_route_config__';
const TRACKED_ROUTE = Symbol.for('nestjs-posthog-capture:route');

/** A route of Express or Fastify that needs work beside the interceptor of its handler. */
export interface TrackedRoute {
  /** The handler as Nest has it. */
  readonly handler: Method;
  readonly plan: MethodPlan;
  /** Calls that do not reach the interceptor are captured: guards deny them, or an outer interceptor fails. */
  readonly isWatched: boolean;
  /** The route opens the call, and there is no interceptor: see route-calls.ts. */
  readonly opensCall: boolean;
}

/** Raw requests that have passed all guards. */
const passed = processSingleton('passed-guards', () => new WeakSet());

/** Runs after all other guards, so none of them has denied the request. */
const lastGuard = processSingleton('last-guard', (): CanActivate => ({
  canActivate(execution: ExecutionContext): boolean {
    const request = execution.getType() === 'http' ? rawOf(execution.switchToHttp().getRequest()) : undefined;
    if (request !== undefined) passed.add(request);
    return true;
  },
}));

/** The request enters another route, with other guards. */
export const forgetGuards = (rawRequest: object): void => void passed.delete(rawRequest);

export const hasPassedGuards = (rawRequest: object): boolean => passed.has(rawRequest);

const wantsFailures = ({ events }: MethodPlan): boolean =>
  events.some(({ on }) => on.includes('denied') || on.includes('error'));

/**
 * Marks the handlers whose routes are tracked. Must run before Nest registers the routes. Another application may share the handlers,
 * so each application marks them anew.
 *
 * @param mayOpenCalls routes open a context, by which a method finds the call that its route has opened
 * @returns true if any route is tracked
 */
export function prepareRoutes(modules: ModulesContainer, mayOpenCalls: boolean): boolean {
  let isAnyTracked = false;
  for (const handler of methodsOf(modules)) {
    const plan = planOf(handler);
    if (plan.events.length === 0 || !isHttpHandler(handler)) continue;
    const isWatched = wantsFailures(plan);
    const opensCall = takeCallIntoRoute(handler, plan, mayOpenCalls);
    if (isWatched) {
      const others = enhancersOf('guards', handler).filter((guard) => guard !== lastGuard);
      setEnhancers('guards', handler, [...others, lastGuard]);
    }
    const isTracked = isWatched || opensCall;
    if (!isTracked && trackedRouteOf(handler) === undefined) continue;
    isAnyTracked ||= isTracked;
    const route: TrackedRoute = { handler, plan, isWatched, opensCall };
    // Nest passes the metadata of a handler on to Express, and this configuration to the routes of Fastify.
    Reflect.defineMetadata(TRACKED_ROUTE, route, handler);
    const config = Reflect.getMetadata(FASTIFY_ROUTE_CONFIG, handler) as object | undefined;
    Reflect.defineMetadata(FASTIFY_ROUTE_CONFIG, { ...config, [TRACKED_ROUTE]: route }, handler);
  }
  return isAnyTracked;
}

/** @param route the handler of a route, or its configuration on Fastify */
export function trackedRouteOf(route: unknown): TrackedRoute | undefined {
  if (typeof route === 'function') return Reflect.getMetadata(TRACKED_ROUTE, route) as TrackedRoute | undefined;
  return typeof route === 'object' && route !== null
    ? (route as { readonly [TRACKED_ROUTE]?: TrackedRoute })[TRACKED_ROUTE]
    : undefined;
}
