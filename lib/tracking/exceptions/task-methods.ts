import { type ModulesContainer } from '@nestjs/core';
import { NO_CONTEXT } from '../../context/capture-context.js';
import { type ContextScope, currentScope, openScope } from '../../context/context-scope.js';
import { processSingleton } from '../../shared/process-singleton.js';
import { fieldOf } from '../../shared/untrusted-values.js';
import { sagasOf, type TaskKind, taskKindOf } from '../call/nest-metadata.js';
import { observeResult } from '../call/observe-result.js';
import { noteScope, scopeOfError } from '../call/error-scopes.js';
import { restoredScope } from '../call/task-scopes.js';
import { type Method, methodLike, planOf } from '../call/tracked-methods.js';
import { contextsWanted } from '../propagation/message-contexts.js';

/** A failed call of a method that a library has called. */
export interface FailedTask {
  readonly kind: TaskKind;
  readonly self: object;
  readonly error: unknown;
  readonly args: readonly unknown[];
  /** `Class.method` */
  readonly handler: string;
  /** The context that the call has opened for itself. */
  readonly scope: ContextScope | undefined;
}

export interface TaskListener {
  /** A saga of @nestjs/cqrs. */
  foundSaga(type: string, name: string): void;
  failed(task: FailedTask): void;
  /** The bus of unhandled exceptions of @nestjs/cqrs was given one. */
  published(bus: object, info: unknown): void;
}

interface Task {
  readonly kind: TaskKind;
  readonly handler: string;
}

const wrappers = processSingleton('task-wrappers', () => new WeakSet());
const wrappedClasses = processSingleton('task-classes', () => new WeakSet());

/**
 * Wraps the methods of an application that libraries call: jobs, schedules, event handlers. On the prototype, because libraries take the
 * methods from an instance at different moments of the boot, and for each job of a request-scoped class. Applications share the wrappers
 * of their common classes. Only a call that fails is attributed to one of them.
 *
 * Must be called before the libraries look for their methods, and again when factories have created more providers.
 */
export function wrapTasks(modules: ModulesContainer, listener: TaskListener): void {
  for (const type of classesOf(modules)) {
    if (wrappedClasses.has(type)) continue;
    wrappedClasses.add(type);
    try {
      wrapTasksOf(type, listener);
    } catch {
      // The class of a mock, which may be anything.
    }
  }
}

function wrapTasksOf(type: NamedClass, listener: TaskListener): void {
  for (const saga of sagasOf(type)) listener.foundSaga(type.name, String(saga));
  for (const { holder, name, descriptor, method } of methodsOf(type)) {
    const kind = wrappers.has(method) ? undefined : taskKindOf(type, name, method);
    if (kind === undefined) continue;
    const wrapper = kind === 'unhandled exceptions' ? wrapBus(method, listener) : wrapTask(name, method, listener);
    wrappers.add(wrapper);
    // Leaves a frozen class as it is.
    Reflect.defineProperty(holder, name, { ...descriptor, value: wrapper });
  }
}

function wrapBus(publish: Method, listener: TaskListener): Method {
  return methodLike(publish, (self, args) => {
    try {
      if (typeof self === 'object' && self !== null) listener.published(self, args[0]);
    } catch {
      // The exception must be published.
    }
    return publish.apply(self, args);
  });
}

function wrapTask(name: string | symbol, method: Method, listener: TaskListener): Method {
  /** By prototype: reading metadata is slow. */
  const known = new WeakMap<object, Task | null>();
  const find = (self: unknown): Task | undefined => {
    const prototype = isObject(self) ? prototypeOf(self) : null;
    if (prototype === null) return undefined;
    let task = known.get(prototype);
    if (task === undefined) known.set(prototype, (task = taskOf(self, name, wrapper) ?? null));
    return task ?? undefined;
  };
  const wrapper: Method = methodLike(method, (self, args) => {
    const opened = taskScope(() => find(self));
    const failed = (error: unknown, restored?: ContextScope): void => {
      try {
        const task = find(self);
        if (task === undefined) return;
        if (scopeOfError(error) === undefined) noteScope(error, opened);
        const scope = openedScope(task.kind, wrapper, args[0], restored) ?? scopeOfError(error) ?? opened;
        listener.failed({ ...task, self: self as object, error, args, scope });
      } catch {
        // The error of the application must reach its caller.
      }
    };
    let result: unknown;
    try {
      result =
        opened === undefined ? method.apply(self, args) : currentScope.run(opened, () => method.apply(self, args));
    } catch (error) {
      failed(error);
      throw error;
    }
    if (typeof result !== 'object' || result === null) return result;
    // Not later, because other handlers of an event are given the same payload.
    const restored = restoredScope(args[0]);
    return observeResult(result, {
      failed: (error) => failed(error, restored),
      succeeded: ignore,
      abandoned: ignore,
    });
  });
  return wrapper;
}

const ignore = (): void => undefined;

/**
 * A context for a task that would run in none, or, as a job, in that of its worker: its steps are its own. undefined where the call needs
 * none, and where no application wants contexts. Never throws.
 */
function taskScope(find: () => Task | undefined): ContextScope | undefined {
  if (contextsWanted.size === 0) return undefined;
  try {
    const kind = find()?.kind;
    if (kind === undefined) return undefined;
    const isAlone = kind === 'job' || currentScope.getStore() === undefined;
    return isAlone ? openScope(undefined, NO_CONTEXT, { transport: 'provider' }) : undefined;
  } catch {
    return undefined;
  }
}

/** The task that a call belongs to; undefined if it is not one itself: an overriding method has called the inherited one. */
function taskOf(self: unknown, name: string | symbol, wrapper: Method): Task | undefined {
  const type = fieldOf(self, 'constructor');
  if (typeof type !== 'function') return undefined;
  let holder = prototypeOf(self);
  while (holder !== null && !Object.hasOwn(holder, name)) holder = prototypeOf(holder);
  if (holder === null || Object.getOwnPropertyDescriptor(holder, name)?.value !== wrapper) return undefined;
  const kind = taskKindOf(type, name, wrapper);
  return kind === undefined ? undefined : { kind, handler: `${type.name}.${String(name)}` };
}

/** A job may also restore its context itself. */
function openedScope(
  kind: TaskKind,
  wrapper: Method,
  carrier: unknown,
  restored = restoredScope(carrier),
): ContextScope | undefined {
  return kind === 'job' || planOf(wrapper).restoresContext ? restored : undefined;
}

/** A class, however its instances are made. */
interface NamedClass {
  readonly name: string;
  readonly prototype?: unknown;
}

/** Of the providers and controllers. The class of what a factory makes is known when it has run. */
function* classesOf(modules: ModulesContainer): Iterable<NamedClass> {
  for (const { controllers, providers } of modules.values())
    for (const wrapper of [...controllers.values(), ...providers.values()]) {
      const isClass = typeof wrapper.metatype === 'function' && !Array.isArray(wrapper.inject);
      const type = isClass ? wrapper.metatype : fieldOf(wrapper.instance, 'constructor');
      if (typeof type === 'function') yield type;
    }
}

interface OwnMethod {
  readonly holder: object;
  readonly name: string | symbol;
  readonly descriptor: PropertyDescriptor;
  readonly method: Method;
}

/** Including inherited ones. */
function* methodsOf(type: NamedClass): Iterable<OwnMethod> {
  for (let holder = type.prototype; isObject(holder) && holder !== Object.prototype; holder = prototypeOf(holder))
    for (const name of Reflect.ownKeys(holder)) {
      const descriptor = Object.getOwnPropertyDescriptor(holder, name);
      const method: unknown = descriptor?.value;
      if (descriptor !== undefined && typeof method === 'function' && name !== 'constructor')
        yield { holder, name, descriptor, method: method as Method };
    }
}

const prototypeOf = (value: unknown): object | null => Object.getPrototypeOf(value) as object | null;

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;
