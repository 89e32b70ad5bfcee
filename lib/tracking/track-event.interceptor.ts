import {
  type CallHandler,
  type ExecutionContext,
  Inject,
  Injectable,
  type NestInterceptor,
  Optional,
} from '@nestjs/common';
import { type Observable, tap } from 'rxjs';
import { rawOf } from '../context/call-source.js';
import { type ContextScope, currentScope, innermost, openScope, within } from '../context/context-scope.js';
import { AttachedState } from '../shared/attached-state.js';
import { isFieldResolver, ownInterceptors } from './call/nest-metadata.js';
import { observeStream } from './call/observe-result.js';
import { openCalls } from './call/open-calls.js';
import { TrackedCall } from './call/tracked-call.js';
import { planOf } from './call/tracked-methods.js';
import { endOf, type RawResponse } from './http/response-end.js';
import { endWithResponse, noteResult } from './http/response-outcome.js';
import { executionScope } from './propagation/call-scopes.js';
import { isTracker, Tracker } from './tracker.js';

/** A subscription to the handler: an outer interceptor may subscribe again, as `retry` does. */
interface Attempt {
  readonly call: TrackedCall;
  isOpen: boolean;
}

/** The latest attempt of a call, so that the interceptor ignores it if it is also bound to the controller or globally. */
const attempts = new AttachedState<Attempt>('attempt');

/**
 * Captures the events of decorated handlers, in every transport. `@TrackEvent` binds it to its handler; it does not need to be bound
 * otherwise, and ignores other handlers. Without PostHogCaptureModule it does nothing.
 */
@Injectable()
export class TrackEventInterceptor implements NestInterceptor {
  readonly #tracker: Tracker | undefined;

  /** @internal */
  constructor(@Optional() @Inject(Tracker) tracker?: unknown) {
    this.#tracker = isTracker(tracker) ? tracker : undefined;
  }

  intercept(execution: ExecutionContext, next: CallHandler): Observable<unknown> {
    const tracker = this.#tracker;
    const handler = execution.getHandler();
    const plan = planOf(handler);
    if (tracker === undefined || plan.events.length === 0 || attempts.get(execution)?.isOpen === true)
      return next.handle();
    const { scope, source } = executionScope(execution, tracker.warnOfContext);
    if (source.transport === 'graphql' && isFieldResolver(handler, tracker)) return next.handle();
    const events = tracker.wanted(plan.events);
    if (events.length === 0) return tracker.opensContexts ? within(scope, () => next.handle()) : next.handle();

    const response = source.transport === 'http' ? responseOf(execution) : undefined;
    // Over HTTP the response ends a call, so all attempts belong to one call.
    const earlier = response === undefined ? undefined : attempts.get(execution)?.call;
    earlier?.retried();
    const call =
      earlier ??
      new TrackedCall({
        events,
        // A copy: another handler may serve the same request after this one.
        source: { transport: source.transport, request: source.request as unknown, execution },
        scope: innermost(scope),
        capture: tracker.capture,
      });
    const attempt: Attempt = { call, isOpen: true };
    attempts.set(execution, attempt);
    // Without contexts, the handler still needs a scope to find its call by.
    const inside: ContextScope = tracker.opensContexts ? innermost(scope) : openScope(currentScope.getStore(), {});
    const close = openCalls.open(inside, handler, call);
    const stream = within(inside, () => next.handle()).pipe(
      // Not `finalize` alone: on an error, an outer `retry` subscribes again before it runs.
      tap({
        next: (value) => {
          if (response !== undefined) noteResult(call, value);
        },
        error: (error) => {
          attempt.isOpen = false;
          if (response !== undefined) call.noteError(error);
        },
        complete: () => (attempt.isOpen = false),
        finalize: () => {
          attempt.isOpen = false;
          close();
          // The client may have disconnected before, or the server destroyed the response.
          const end = response && endOf(response);
          if (end !== undefined) endWithResponse(call, end);
        },
      }),
    );

    if (response === undefined) return observeStream(stream, call, 'abandon');
    if (earlier === undefined) tracker.onResponseEnd(response, (end) => endWithResponse(call, end));
    return stream;
  }
}

ownInterceptors.add(TrackEventInterceptor);

function responseOf(execution: ExecutionContext): RawResponse | undefined {
  const raw = rawOf<RawResponse>(execution.switchToHttp().getResponse());
  return typeof raw?.end === 'function' && typeof raw.once === 'function' ? raw : undefined;
}
