import 'reflect-metadata';
import { type Type } from '@nestjs/common';
import { type ModulesContainer } from '@nestjs/core';
import { processSingleton } from '../../shared/process-singleton.js';
import { type Method } from './tracked-methods.js';

/** All metadata of Nest and its packages that tracking reads or writes on handlers, except those of Fastify's routes. */
const ROUTE = 'path';
const PATTERN = 'microservices:pattern';
const GATEWAY_MESSAGE = 'websockets:message_mapping';
const EVENT_STREAM = '__sse__';
const STREAM_CALL = 'pt_stream';
const FIELD_RESOLVER = 'graphql:resolve_property';
const FIELD_NAME = 'graphql:resolver_name';
const PROCESSOR = 'bullmq:processor_metadata';
const PROCESS = 'process';
const JOB_EVENTS = ['bullmq:worker_events_metadata', 'bullmq:queue_events_metadata'];
const SCHEDULE = 'SCHEDULER_TYPE';
const EVENT_LISTENER = 'EVENT_LISTENER_METADATA';
const CQRS_HANDLERS: Readonly<Record<string, string>> = { handle: '__eventsHandler__', execute: '__commandHandler__' };
const SAGAS = '__saga__';
const UNHANDLED_EXCEPTIONS = { type: 'UnhandledExceptionBus', method: 'publish' };
const ROUTE_ARGUMENTS = '__routeArguments__';
const ENHANCERS = { guards: '__guards__', interceptors: '__interceptors__' } as const;

/** The interceptors that our decorators bind, of both builds. */
export const ownInterceptors = processSingleton('own-interceptors', () => new WeakSet<object>());

export const isHttpHandler = (method: object): boolean => Reflect.hasMetadata(ROUTE, method);

/** undefined for other methods than handlers of messages. */
export function messageKindOf(method: object): 'rpc' | 'ws' | undefined {
  if (Reflect.hasMetadata(PATTERN, method)) return 'rpc';
  return Reflect.hasMetadata(GATEWAY_MESSAGE, method) ? 'ws' : undefined;
}

export const isMessageHandler = (method: object): boolean => messageKindOf(method) !== undefined;

export const isEventStream = (method: unknown): boolean =>
  typeof method === 'function' && Reflect.hasMetadata(EVENT_STREAM, method);

/** A gRPC handler that receives the call itself (`@GrpcStreamCall`) and returns nothing. */
export function isStreamCall(method: object): boolean {
  const patterns = Reflect.getMetadata(PATTERN, method) as readonly unknown[] | undefined;
  return (
    patterns?.some((pattern) => (pattern as { readonly streaming?: unknown } | null)?.streaming === STREAM_CALL) ??
    false
  );
}

/** Field resolvers of GraphQL run once per object of a result: such calls are never captured, and a warning is logged. */
export function isFieldResolver(method: unknown, app: { warn(kind: string, text: string): void }): boolean {
  if (typeof method !== 'function' || Reflect.getMetadata(FIELD_RESOLVER, method) !== true) return false;
  app.warn(
    `track: field resolver ${method.name}`,
    `@TrackEvent on the field resolver ${method.name}() captures nothing: decorate the query or mutation, which runs once per operation.`,
  );
  return true;
}

/** The kind of a method that Nest or a library calls: with guards and parameter decorators, or `task` without them. */
export function handlerKindOf(type: object, name: string, method: object): 'handler' | 'field resolver' | 'task' {
  if (isHttpHandler(method) || isMessageHandler(method)) return 'handler';
  if (Reflect.getMetadata(FIELD_RESOLVER, method) === true) return 'field resolver';
  return taskKindOf(type, name, method) === undefined ? 'handler' : 'task';
}

type Caller = 'grpc' | 'job event' | 'unknown';

/** Reading metadata is slow, and those of a method do not change after its first call. */
const callers = new WeakMap<object, Caller>();

/** The caller of a method, according to its metadata. */
export function callerOf(method: unknown): Caller {
  if (typeof method !== 'function') return 'unknown';
  const known = callers.get(method);
  if (known !== undefined) return known;
  const isJobEvent = JOB_EVENTS.some((key) => Reflect.hasMetadata(key, method));
  const caller = isStreamCall(method) ? 'grpc' : isJobEvent ? 'job event' : 'unknown';
  callers.set(method, caller);
  return caller;
}

/** `process` of a BullMQ processor, but not its helper methods, which run within the job of their caller. */
export const isJobProcess = (self: unknown, name: string | symbol): boolean =>
  name === PROCESS && Reflect.hasMetadata(PROCESSOR, (self as object).constructor);

/**
 * A method that a library calls, and whose errors it keeps: it logs them or tries again. `cqrs`: only errors that reach the bus of unhandled
 * exceptions are kept, but the bus does not know their handlers.
 */
export type TaskKind = 'job' | 'schedule' | 'event' | 'cqrs' | 'unhandled exceptions';

/** @param type the class of the instance, which may inherit the method */
export function taskKindOf(type: object, name: string | symbol, method: object): TaskKind | undefined {
  if (name === PROCESS && Reflect.hasMetadata(PROCESSOR, type)) return 'job';
  if (Reflect.hasMetadata(SCHEDULE, method)) return 'schedule';
  if (isSuppressedListener(method)) return 'event';
  const handles = typeof name === 'string' ? CQRS_HANDLERS[name] : undefined;
  if (handles !== undefined && Reflect.hasMetadata(handles, type)) return 'cqrs';
  return name === UNHANDLED_EXCEPTIONS.method && isUnhandledExceptionBus(type) ? 'unhandled exceptions' : undefined;
}

/** The names of the sagas of a class of @nestjs/cqrs, most of which are properties of an instance, not methods. */
export const sagasOf = (type: object): readonly unknown[] =>
  (Reflect.getMetadata(SAGAS, type) as readonly unknown[] | undefined) ?? [];

/** With `suppressErrors: false`, an error goes to the caller of `emitAsync`, or to the process. */
function isSuppressedListener(method: object): boolean {
  const listeners = Reflect.getMetadata(EVENT_LISTENER, method) as
    readonly ({ readonly options?: { readonly suppressErrors?: unknown } } | null)[] | undefined;
  return listeners?.some((listener) => listener?.options?.suppressErrors !== false) === true;
}

function isUnhandledExceptionBus(type: unknown): boolean {
  for (let one = type; typeof one === 'function'; one = Object.getPrototypeOf(one))
    if (one.name === UNHANDLED_EXCEPTIONS.type) return true;
  return false;
}

type EnhancerKind = keyof typeof ENHANCERS;

/** The guards or interceptors bound to a handler itself, or to a class. */
export const enhancersOf = (kind: EnhancerKind, handler: object): readonly unknown[] =>
  (Reflect.getMetadata(ENHANCERS[kind], handler) as unknown[] | undefined) ?? [];

/** Must be called before Nest registers the handler, or those of the class. */
export function setEnhancers(kind: EnhancerKind, handler: object, enhancers: readonly unknown[]): void {
  Reflect.defineMetadata(ENHANCERS[kind], enhancers, handler);
}

/** The pipes bound to the parameters of a handler. */
export function parameterPipesOf(type: object, name: string): readonly unknown[] {
  const parameters = Reflect.getMetadata(ROUTE_ARGUMENTS, type, name) as
    Readonly<Record<string, { readonly pipes?: readonly unknown[] }>> | undefined;
  return Object.values(parameters ?? {}).flatMap(({ pipes }) => pipes ?? []);
}

/** The methods of all classes of an application, including inherited ones. */
export function* methodsOf(modules: ModulesContainer): Iterable<Method> {
  for (const type of classesOf(modules)) for (const { method } of methodsOfClass(type)) yield method;
}

/** The classes of all controllers and providers of an application; also the functions of providers that have a factory. */
export function* classesOf(modules: ModulesContainer): Iterable<Type> {
  for (const { controllers, providers } of modules.values()) {
    for (const { metatype } of [...controllers.values(), ...providers.values()])
      if (typeof metatype === 'function') yield metatype as Type;
  }
}

/** The methods of a class, including inherited ones. */
export function* methodsOfClass(type: Type): Iterable<{ readonly name: string; readonly method: Method }> {
  let prototype: unknown = type.prototype;
  while (typeof prototype === 'object' && prototype !== null && prototype !== Object.prototype) {
    for (const name of Object.getOwnPropertyNames(prototype)) {
      const value: unknown = Reflect.getOwnPropertyDescriptor(prototype, name)?.value;
      if (typeof value === 'function') yield { name, method: value as Method };
    }
    prototype = Object.getPrototypeOf(prototype);
  }
}

/** The field resolvers of GraphQL as `Class.method`, by the name of their field; null for a name that several have. */
export function fieldHandlersOf(modules: ModulesContainer): ReadonlyMap<string, string | null> {
  const handlers = new Map<string, string | null>();
  for (const type of classesOf(modules)) {
    for (const { method } of methodsOfClass(type)) {
      if (Reflect.getMetadata(FIELD_RESOLVER, method) !== true) continue;
      const field = (Reflect.getMetadata(FIELD_NAME, method) as string | undefined) ?? method.name;
      const handler = `${type.name}.${method.name}`;
      const known = handlers.get(field);
      handlers.set(field, known === undefined || known === handler ? handler : null);
    }
  }
  return handlers;
}
