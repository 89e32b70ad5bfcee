import { type NestInterceptor } from '@nestjs/common';
import { type ModulesContainer } from '@nestjs/core';
import { tap } from 'rxjs';
import { within } from '../../context/context-scope.js';
import { processSingleton } from '../../shared/process-singleton.js';
import { areErrorScopesWanted, noteScope } from '../call/error-scopes.js';
import {
  enhancersOf,
  isMessageHandler,
  isStreamCall,
  methodsOf,
  ownInterceptors,
  setEnhancers,
} from '../call/nest-metadata.js';
import { planOf } from '../call/tracked-methods.js';
import { executionScope } from './call-scopes.js';

/** The running applications that open a context for each message. */
export const contextsWanted = processSingleton('contexts-wanted', () => new Set<object>());

const ignoreWarning = (): void => undefined;

/**
 * Runs message handlers in a context of their own. A single object, because it is set on the handlers, which several applications may
 * share.
 */
export const messageContexts = processSingleton('message-contexts', (): NestInterceptor => ({
  intercept(execution, next) {
    const type = execution.getType<string>();
    const isMessage = type === 'rpc' || type === 'ws';
    const isWanted = contextsWanted.size > 0 || planOf(execution.getHandler()).restoresContext;
    if (!isMessage || !isWanted) return next.handle();
    const { scope } = executionScope(execution, ignoreWarning);
    const result = within(scope, () => next.handle());
    return areErrorScopesWanted() ? result.pipe(tap({ error: (error) => noteScope(error, scope) })) : result;
  },
}));

/** Gives all message handlers a context, with or without a decorator of ours. Must run before Nest registers them. */
export function prepareMessages(modules: ModulesContainer): void {
  for (const handler of methodsOf(modules)) {
    if (!isMessageHandler(handler) || isStreamCall(handler)) continue;
    const others = enhancersOf('interceptors', handler).filter((one) => one !== messageContexts);
    setEnhancers('interceptors', handler, [messageContexts, ...others]);
  }
}

/** Removes our interceptors from handlers of gRPC stream calls: before 10.4.9, Nest never runs such a handler if it has an interceptor. */
export function freeStreamCalls(modules: ModulesContainer): void {
  for (const handler of methodsOf(modules)) {
    if (!isStreamCall(handler)) continue;
    const others = enhancersOf('interceptors', handler).filter(
      (one) => one !== messageContexts && !(typeof one === 'function' && ownInterceptors.has(one)),
    );
    setEnhancers('interceptors', handler, others);
  }
}
