import 'reflect-metadata';
import { type CanActivate, type ExecutionContext } from '@nestjs/common';
import { type ModulesContainer } from '@nestjs/core';
import { processWide } from '../process-wide.js';
import { messageContexts } from './message-contexts.js';
import { rawOf } from './response-end.js';
import { type MethodPlan, planOf } from './tracked-methods.js';

/** The metadata of Nest by which handlers are known, and of what runs around them. */
const MESSAGE_HANDLERS = ['microservices:pattern', 'websockets:message_mapping'];
const ROUTE = 'path';
const GUARDS = '__guards__';
const INTERCEPTORS = '__interceptors__';
const FASTIFY_ROUTE_CONFIG = '__fastify_route_config__';
const PLAN_OF_ROUTE = Symbol.for('nestjs-posthog-capture:route-plan');

/** Raw requests that all guards have let pass. */
const passed = processWide('passed-guards', () => new WeakSet());

/** Stands behind all other guards, and so knows that none of them has denied. */
const lastGuard = processWide('last-guard', (): CanActivate => ({
  canActivate(execution: ExecutionContext): boolean {
    const request = execution.getType() === 'http' ? rawOf(execution.switchToHttp().getRequest()) : undefined;
    if (request !== undefined) passed.add(request);
    return true;
  },
}));

/** The request enters another route, with guards of its own. */
export const forgetGuards = (rawRequest: object): void => void passed.delete(rawRequest);

export const hasPassedGuards = (rawRequest: object): boolean => passed.has(rawRequest);

export const wantsDenials = ({ events }: MethodPlan): boolean => events.some(({ on }) => on.includes('denied'));

/**
 * Marks the routes whose denied calls are captured: a guard ends a call before any interceptor hears of it. Must be done before
 * Nest registers its routes.
 *
 * @returns whether there are any
 */
export function prepareDenials(modules: ModulesContainer): boolean {
  let found = false;
  for (const handler of methodsOf(modules)) {
    const plan = planOf(handler);
    if (!Reflect.hasMetadata(ROUTE, handler) || !wantsDenials(plan)) continue;
    found = true;
    append(GUARDS, handler, lastGuard);
    // The adapter for Fastify hands this on to the route, and nothing else of the handler.
    const config = Reflect.getMetadata(FASTIFY_ROUTE_CONFIG, handler) as object | undefined;
    Reflect.defineMetadata(FASTIFY_ROUTE_CONFIG, { ...config, [PLAN_OF_ROUTE]: plan }, handler);
  }
  return found;
}

/** What is asked of the handler of a route of Fastify, by the route's configuration. */
export function planOfRoute(config: unknown): MethodPlan | undefined {
  return typeof config === 'object' && config !== null
    ? (Reflect.get(config, PLAN_OF_ROUTE) as MethodPlan | undefined)
    : undefined;
}

/** Gives all handlers of messages a context, those that wear no decorator of ours too. */
export function prepareMessages(modules: ModulesContainer): void {
  for (const handler of methodsOf(modules)) {
    if (MESSAGE_HANDLERS.some((key) => Reflect.hasMetadata(key, handler)))
      append(INTERCEPTORS, handler, messageContexts, 'first');
  }
}

function append(key: string, handler: object, one: unknown, where: 'first' | 'last' = 'last'): void {
  const others = ((Reflect.getMetadata(key, handler) as unknown[] | undefined) ?? []).filter((other) => other !== one);
  Reflect.defineMetadata(key, where === 'first' ? [one, ...others] : [...others, one], handler);
}

/** The methods of all classes of an application, inherited ones too. */
function* methodsOf(modules: ModulesContainer): Iterable<object> {
  for (const { controllers, providers } of modules.values()) {
    for (const { metatype } of [...controllers.values(), ...providers.values()]) {
      let prototype: unknown = typeof metatype === 'function' ? metatype.prototype : undefined;
      while (typeof prototype === 'object' && prototype !== null && prototype !== Object.prototype) {
        for (const { value } of Object.values(Object.getOwnPropertyDescriptors(prototype))) {
          if (typeof value === 'function') yield value as object;
        }
        prototype = Object.getPrototypeOf(prototype);
      }
    }
  }
}
