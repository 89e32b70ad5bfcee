import 'reflect-metadata';
import { type CanActivate, type ExecutionContext } from '@nestjs/common';
import { type ModulesContainer } from '@nestjs/core';
import { RouterExplorer } from '@nestjs/core/router/router-explorer.js';
import { processSingleton } from '../../shared/process-singleton.js';
import { messageContexts } from '../propagation/message-contexts.js';
import { rawOf } from '../../context/call-source.js';
import { type Method, type MethodPlan, planOf } from '../call/tracked-methods.js';

/** The metadata of Nest by which handlers are known, and of what runs around them. */
const PATTERN = 'microservices:pattern';
const MESSAGE_HANDLERS = [PATTERN, 'websockets:message_mapping'];
const STREAM_CALL = 'pt_stream';
const ROUTE = 'path';
const GUARDS = '__guards__';
const INTERCEPTORS = '__interceptors__';
const FASTIFY_ROUTE_CONFIG = '__fastify_route_config__';
const DUTY = Symbol.for('nestjs-posthog-capture:route-duty');

/** What is done when a request enters a route of Express or Fastify, beside its interceptors. */
export interface RouteDuty {
  /** What Nest has for the handler. */
  readonly handler: Method;
  readonly plan: MethodPlan;
  /** Calls that do not get as far as the interceptor are captured: guards deny them, or an interceptor around ours fails. */
  readonly isWatched: boolean;
  /** The route opens the call, and no interceptor does: the least that Nest does for one costs as much as capturing the event. */
  readonly opensCall: boolean;
  /** What this took from around the handler. */
  readonly interceptors: readonly unknown[];
}

/** Whether Nest hands the metadata of handlers on to the routes: 10.0 and 10.1 do not. */
export const routesKnowTheirHandlers = 'copyMetadataToCallback' in RouterExplorer.prototype;

/** The interceptors that `@TrackEvent` binds, of both builds. */
export const ownInterceptors = processSingleton('own-interceptors', () => new WeakSet<object>());

/** Raw requests that all guards have let pass. */
const passed = processSingleton('passed-guards', () => new WeakSet());

/** Stands behind all other guards, and so knows that none of them has denied. */
const lastGuard = processSingleton('last-guard', (): CanActivate => ({
  canActivate(execution: ExecutionContext): boolean {
    const request = execution.getType() === 'http' ? rawOf(execution.switchToHttp().getRequest()) : undefined;
    if (request !== undefined) passed.add(request);
    return true;
  },
}));

/** The request enters another route, with guards of its own. */
export const forgetGuards = (rawRequest: object): void => void passed.delete(rawRequest);

export const hasPassedGuards = (rawRequest: object): boolean => passed.has(rawRequest);

const wantsFailures = ({ events }: MethodPlan): boolean =>
  events.some(({ on }) => on.includes('denied') || on.includes('error'));

/**
 * Marks the routes that have a duty. Must be done before Nest registers them. What is marked are the methods, which another application
 * may share: each marks them anew.
 *
 * @param mayOpenCalls whether routes have contexts, by which a method finds the call that its route has opened
 * @returns whether there are any
 */
export function prepareRoutes(modules: ModulesContainer, mayOpenCalls: boolean): boolean {
  let found = false;
  for (const handler of methodsOf(modules)) {
    const plan = planOf(handler);
    if (plan.events.length === 0 || !Reflect.hasMetadata(ROUTE, handler)) continue;
    const before = dutyOfRoute(handler);
    const interceptors = [...(before?.interceptors ?? []), ...listOf(INTERCEPTORS, handler)];
    const isWatched = wantsFailures(plan);
    const opensCall = mayOpenCalls && canOpenCall(handler, plan, interceptors);
    if (isWatched) append(GUARDS, handler, lastGuard);
    if (before !== undefined || opensCall) Reflect.defineMetadata(INTERCEPTORS, opensCall ? [] : interceptors, handler);
    if (before === undefined && !isWatched && !opensCall) continue;
    found ||= isWatched || opensCall;
    const duty: RouteDuty = {
      handler,
      plan,
      isWatched,
      opensCall,
      interceptors: opensCall ? interceptors : [],
    };
    // Nest hands the metadata of a method on to Express, and this to the routes of Fastify.
    Reflect.defineMetadata(DUTY, duty, handler);
    const config = Reflect.getMetadata(FASTIFY_ROUTE_CONFIG, handler) as object | undefined;
    Reflect.defineMetadata(FASTIFY_ROUTE_CONFIG, { ...config, [DUTY]: duty }, handler);
  }
  return found;
}

/** Only a success needs nothing that pipes and guards say. Other interceptors of the method stand around it or within, and may fail. */
function canOpenCall(handler: object, { events }: MethodPlan, interceptors: readonly unknown[]): boolean {
  return (
    events.every(({ on }) => on.every((outcome) => outcome === 'success')) &&
    interceptors.every((one) => typeof one === 'function' && ownInterceptors.has(one)) &&
    !MESSAGE_HANDLERS.some((key) => Reflect.hasMetadata(key, handler))
  );
}

/** The duty of a route, by its handler or, on Fastify, by its configuration. */
export function dutyOfRoute(route: unknown): RouteDuty | undefined {
  if (typeof route === 'function') return Reflect.getMetadata(DUTY, route) as RouteDuty | undefined;
  return typeof route === 'object' && route !== null ? (route as { readonly [DUTY]?: RouteDuty })[DUTY] : undefined;
}

/** Gives all handlers of messages a context, those that wear no decorator of ours too. */
export function prepareMessages(modules: ModulesContainer): void {
  for (const handler of methodsOf(modules)) {
    if (MESSAGE_HANDLERS.some((key) => Reflect.hasMetadata(key, handler)) && !isStreamCall(handler))
      append(INTERCEPTORS, handler, messageContexts, 'first');
  }
}

/** A handler of gRPC that is handed the call itself (`@GrpcStreamCall`), and answers nothing. */
export function isStreamCall(handler: unknown): boolean {
  if (typeof handler !== 'function') return false;
  const patterns = Reflect.getMetadata(PATTERN, handler) as readonly unknown[] | undefined;
  return (
    patterns?.some((pattern) => (pattern as { readonly streaming?: unknown } | null)?.streaming === STREAM_CALL) ??
    false
  );
}

/** Takes our interceptors from handlers of stream calls: before 10.4.9 Nest never runs one that has an interceptor, because nobody waits for its answer. */
export function freeStreamCalls(modules: ModulesContainer): void {
  for (const handler of methodsOf(modules)) {
    if (!isStreamCall(handler)) continue;
    const others = listOf(INTERCEPTORS, handler).filter(
      (one) => one !== messageContexts && !(typeof one === 'function' && ownInterceptors.has(one)),
    );
    Reflect.defineMetadata(INTERCEPTORS, others, handler);
  }
}

function append(key: string, handler: object, one: unknown, where: 'first' | 'last' = 'last'): void {
  const others = listOf(key, handler).filter((other) => other !== one);
  Reflect.defineMetadata(key, where === 'first' ? [one, ...others] : [...others, one], handler);
}

const listOf = (key: string, handler: object): readonly unknown[] =>
  (Reflect.getMetadata(key, handler) as unknown[] | undefined) ?? [];

/** The methods of all classes of an application, inherited ones too. */
function* methodsOf(modules: ModulesContainer): Iterable<Method> {
  for (const { controllers, providers } of modules.values()) {
    for (const { metatype } of [...controllers.values(), ...providers.values()]) {
      let prototype: unknown = typeof metatype === 'function' ? metatype.prototype : undefined;
      while (typeof prototype === 'object' && prototype !== null && prototype !== Object.prototype) {
        for (const { value } of Object.values(Object.getOwnPropertyDescriptors(prototype))) {
          if (typeof value === 'function') yield value as Method;
        }
        prototype = Object.getPrototypeOf(prototype);
      }
    }
  }
}
