import { processSingleton } from '../../shared/process-singleton.js';
import { fieldOf } from '../../shared/untrusted-values.js';
import { seamImports } from './import-seams.js';
import { type Method, replaceMethod } from './replace-method.js';

/** The handler that an error came from, as Nest has it: of a controller, a resolver or a gateway, or a middleware. */
export interface SeamHandler {
  readonly instance: unknown;
  readonly callback: unknown;
}

/** The result of the exception filters, or the error that they threw. */
export type Filtered = { readonly result: unknown } | { readonly thrown: unknown };

/**
 * Sees an error before the exception filters do. Must not throw.
 *
 * @param host the arguments of the call, as filters get them
 * @returns called when the filters have returned
 */
export type SeeError = (
  error: unknown,
  host: unknown,
  handler: SeamHandler,
) => ((filtered: Filtered) => void) | undefined;

/** The exception filters of Nest, by the technology that they serve. */
export type FilterKind = 'http' | 'external' | 'rpc' | 'ws';

/** An application that sees its errors. */
export type SeenKinds = Readonly<Record<FilterKind, SeeError>>;

interface Seam {
  /** The exported class whose `create` makes a handler of errors for each handler of the application. */
  readonly className: string;
  /** The method of the result that passes an error to the filters. */
  readonly method: 'next' | 'handle';
}

const SEAMS: Readonly<Record<FilterKind, Seam>> = {
  http: { className: 'RouterExceptionFilters', method: 'next' },
  external: { className: 'ExternalExceptionFilterContext', method: 'next' },
  rpc: { className: 'ExceptionFiltersContext', method: 'handle' },
  ws: { className: 'ExceptionFiltersContext', method: 'handle' },
};

/** By the ModulesContainer of an application. */
const applications = processSingleton('exception-applications', () => new WeakMap<object, SeenKinds>());

/** Has an application see its errors. Must be called before Nest registers its handlers. */
export function seeErrors(modules: object, kinds: SeenKinds): void {
  applications.set(modules, kinds);
}

/** Prepares the classes of Nest, once per process. Returns the kinds that could not be prepared, perhaps because the package is absent. */
export async function openSeams(): Promise<readonly FilterKind[]> {
  const kinds = Object.keys(SEAMS) as FilterKind[];
  const isOpen = await Promise.all(kinds.map(async (kind) => openSeam(kind, await seamImports[kind]())));
  return kinds.filter((_kind, index) => isOpen[index] !== true);
}

/** @param module the content of the file that exports the class */
function openSeam(kind: FilterKind, module: unknown): boolean {
  const { className, method } = SEAMS[kind];
  return replaceMethod(fieldOf(fieldOf(module, className), 'prototype'), 'create', (create) => {
    return function (this: unknown, ...args) {
      const filters: unknown = Reflect.apply(create, this, args);
      const see = attempt(() => applicationOf(this)?.[kind]);
      if (see !== undefined) observe(filters, method, see, { instance: args[0], callback: args[1] });
      return filters;
    };
  });
}

function applicationOf(context: unknown): SeenKinds | undefined {
  const container = fieldOf(context, 'container');
  const getModules = fieldOf(container, 'getModules');
  if (typeof getModules !== 'function') return undefined;
  const modules: unknown = Reflect.apply(getModules, container, []);
  return typeof modules === 'object' && modules !== null ? applications.get(modules) : undefined;
}

/** @param filters the object that Nest calls for each error of one handler */
function observe(filters: unknown, method: string, see: SeeError, handler: SeamHandler): void {
  const original = fieldOf(filters, method) as Method | undefined;
  if (typeof original !== 'function') return;
  const observed: Method = function (this: unknown, ...args) {
    const [error, host] = args;
    const settle = attempt(() => see(error, host, handler));
    let result: unknown;
    try {
      result = Reflect.apply(original, this, args);
    } catch (thrown) {
      attempt(() => settle?.({ thrown }));
      throw thrown;
    }
    attempt(() => settle?.({ result }));
    return result;
  };
  Reflect.defineProperty(filters as object, method, {
    value: observed,
    writable: true,
    configurable: true,
    enumerable: false,
  });
}

/** A failure of ours never changes a response. */
function attempt<T>(fn: () => T): T | undefined {
  try {
    return fn();
  } catch {
    return undefined;
  }
}

/** `Class.method`; undefined for handlers of Nest itself. */
export function handlerName({ instance, callback }: SeamHandler): string | undefined {
  const type = fieldOf(instance, 'constructor');
  const className = fieldOf(type, 'name');
  const method = fieldOf(callback, 'name');
  if (type === Object || typeof className !== 'string' || typeof method !== 'string') return undefined;
  return className === '' || method === '' ? undefined : `${className}.${method}`;
}
