import { type NestInterceptor } from '@nestjs/common';
import { processSingleton } from '../../shared/process-singleton.js';
import { executionScope, within } from './call-scopes.js';
import { planOf } from '../call/tracked-methods.js';

/** One entry for each running application that gives its messages a context. */
export const contextsWanted = processSingleton('contexts-wanted', () => new Set<object>());

/** Those that hear what is wrong in a context that a message carries. */
const nobody = (): void => undefined;

/**
 * Runs the handlers of messages in a context of their own. One object for all, because it is set on the handlers themselves, which
 * several applications may share.
 */
export const messageContexts = processSingleton('message-contexts', (): NestInterceptor => ({
  intercept(execution, next) {
    const type = execution.getType<string>();
    const isMessage = type === 'rpc' || type === 'ws';
    const isWanted = contextsWanted.size > 0 || planOf(execution.getHandler()).restoresContext;
    return isMessage && isWanted ? within(executionScope(execution, nobody).scope, () => next.handle()) : next.handle();
  },
}));
