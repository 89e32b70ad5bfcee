import { type CaptureBoundary } from '../../capture/exception/capture-boundary.js';
import { type ContextScope, currentScope, openScope } from '../../context/context-scope.js';
import { processSingleton } from '../../shared/process-singleton.js';
import { fieldOf } from '../../shared/untrusted-values.js';
import { scopeOfError } from '../call/error-scopes.js';
import { type TaskKind } from '../call/nest-metadata.js';
import { type CaughtError, type ExceptionObserver } from './exception-observer.js';
import { isLastAttempt, isPostponed, jobProperties } from './job-attempt.js';
import { type FailedTask, type TaskListener } from './task-methods.js';

/** The application that an object of a task belongs to; undefined if it captures no unhandled errors. */
export type ObserverOf = (self: object) => ExceptionObserver | undefined;

const boundary = (source: string): CaptureBoundary => ({ level: 'error', type: 'task', handled: false, source });
const BOUNDARIES: Readonly<Record<TaskKind, CaptureBoundary>> = {
  job: boundary('bullmq.worker'),
  schedule: boundary('nestjs.schedule'),
  event: boundary('nestjs.event'),
  cqrs: boundary('nestjs.cqrs'),
  'unhandled exceptions': boundary('nestjs.cqrs'),
};

/** The handlers of @nestjs/cqrs by the errors that they have thrown last. */
const cqrsHandlers = processSingleton('cqrs-handlers', () => new WeakMap<object, string>());

/** Has the application of a failed task capture its error. */
export function captureTasks(observerOf: ObserverOf): TaskListener {
  return {
    foundSaga: noteSaga,
    failed(task) {
      const { kind, error, args, self } = task;
      if (kind === 'cqrs') noteHandler(task);
      if (kind === 'cqrs' || belongsToCaller(task) || (kind === 'job' && isPostponed(error))) return;
      const isLast = kind !== 'job' || isLastAttempt(error, args[0]);
      observerOf(self)?.caught(error, caughtTask(task), (rules) => isLast || rules.jobs === 'every');
    },
    published(bus, info) {
      const error = fieldOf(info, 'exception');
      const cause = fieldOf(info, 'cause');
      observerOf(bus)?.caught(error, {
        boundary: BOUNDARIES['unhandled exceptions'],
        call: { transport: 'provider', args: [cause] },
        scope: scopeOfError(error),
        handler: handlerOf(error) ?? sagaOf(cause),
      });
    },
  };
}

function caughtTask(task: FailedTask): CaughtError {
  const { kind, args, handler } = task;
  return {
    boundary: BOUNDARIES[kind],
    call: { transport: 'provider', args },
    scope: scopeOf(task),
    handler,
    ...(kind === 'job' && { properties: () => jobProperties(args[0]) }),
  };
}

/** A job runs for the user who queued it, or for nobody, whatever context its worker was started in. */
function scopeOf({ kind, scope }: FailedTask): ContextScope | undefined {
  return scope ?? (kind === 'job' ? openScope(undefined, {}, { transport: 'provider' }) : undefined);
}

/** A request or a message has called the method of a schedule itself, and gets its error. */
const belongsToCaller = ({ kind }: FailedTask): boolean =>
  kind === 'schedule' && currentScope.getStore()?.source !== undefined;

function noteHandler({ error, handler }: FailedTask): void {
  if (typeof error === 'object' && error !== null) cqrsHandlers.set(error, handler);
}

const handlerOf = (error: unknown): string | undefined =>
  typeof error === 'object' && error !== null ? cqrsHandlers.get(error) : undefined;

/** Of all applications of the process. */
const sagas = processSingleton('cqrs-sagas', () => new Map<string, string>());

/** The bus knows a saga by its name alone, which several classes may use. */
function noteSaga(type: string, name: string): void {
  const handler = `${type}.${name}`;
  sagas.set(name, sagas.has(name) && sagas.get(name) !== handler ? name : handler);
}

const sagaOf = (cause: unknown): string | undefined =>
  typeof cause === 'string' ? (sagas.get(cause) ?? cause) : undefined;
