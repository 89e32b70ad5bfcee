import 'reflect-metadata';
import { type ModulesContainer } from '@nestjs/core';
import { type CaptureBoundary } from '../../capture/exception/capture-boundary.js';
import { currentScope } from '../../context/context-scope.js';
import { fieldOf } from '../../shared/untrusted-values.js';
import { fieldHandlersOf } from '../call/nest-metadata.js';
import { type ExceptionObserver } from './exception-observer.js';
import { isClientError } from './expected-errors.js';
import { unseenOriginal } from './seen-errors.js';

/** Marks the class of a provider that @nestjs/apollo registers as a plugin. */
const PLUGIN = 'graphql:plugin';
const TOKEN = 'POSTHOG_CAPTURE_GRAPHQL_ERRORS';
/** What GraphQL makes of a thrown value that is not an Error. Root resolvers throw it through the exception filters. */
const NON_ERROR = 'NonErrorThrown';

const BOUNDARY: CaptureBoundary = { type: 'middleware', handled: true, level: 'error', source: 'nestjs.graphql' };

/** The part of Apollo's GraphQLRequestContext that is used here. */
interface FailedOperation {
  readonly errors?: readonly unknown[];
}

/**
 * A plugin of Apollo for the errors that no exception filter of Nest sees: of field resolvers without enhancers, of fields without a
 * resolver, and of results that do not fit the schema. Other drivers have no such place.
 */
class GraphqlErrors {
  readonly #exceptions: Pick<ExceptionObserver, 'caught'>;
  readonly #modules: ModulesContainer;
  /** By field name; null for a name of several handlers. */
  #handlers: ReadonlyMap<string, string | null> | undefined;

  constructor(exceptions: Pick<ExceptionObserver, 'caught'>, modules: ModulesContainer) {
    this.#exceptions = exceptions;
    this.#modules = modules;
  }

  /** Called by Apollo for each operation. */
  requestDidStart(): Promise<object> {
    return this.#listener;
  }

  readonly #listener = Promise.resolve({
    didEncounterErrors: ({ errors = [] }: FailedOperation): Promise<void> => {
      for (const error of errors) this.#failed(error);
      return Promise.resolve();
    },
  });

  #failed(error: unknown): void {
    const original = unseenOriginal(error);
    const path = fieldOf(error, 'path');
    const depth = Array.isArray(path) ? path.length : 0;
    if (original === undefined || isClientError(error) || (depth < 2 && fieldOf(original, 'name') === NON_ERROR))
      return;
    const request: unknown = currentScope.getStore()?.source?.request;
    this.#exceptions.caught(original, {
      boundary: BOUNDARY,
      call: { transport: 'graphql', ...(request !== undefined && { request }) },
      handler: depth > 1 ? this.#handlerOf(error) : undefined,
    });
  }

  #handlerOf(error: unknown): string | undefined {
    const name = fieldOf(fieldOf(fieldOf(fieldOf(error, 'nodes'), '0'), 'name'), 'value');
    this.#handlers ??= fieldHandlersOf(this.#modules);
    return typeof name === 'string' ? (this.#handlers.get(name) ?? undefined) : undefined;
  }
}

Reflect.defineMetadata(PLUGIN, true, GraphqlErrors);

/** Must be called before GraphQLModule looks for plugins, in its `onModuleInit`. */
export function addGraphqlErrors(
  exceptions: Pick<ExceptionObserver, 'caught'>,
  modules: ModulesContainer,
  ownModule: object,
): void {
  for (const module of modules.values()) {
    if (module.metatype !== ownModule || module.providers.has(TOKEN)) continue;
    module.addProvider({ provide: TOKEN, useValue: new GraphqlErrors(exceptions, modules) });
  }
}
