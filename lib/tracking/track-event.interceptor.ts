import {
  type CallHandler,
  type ExecutionContext,
  Inject,
  Injectable,
  type NestInterceptor,
  Optional,
} from '@nestjs/common';
import { type Observable, tap } from 'rxjs';
import { AttachedState } from '../shared/attached-state.js';
import { type ContextScope, currentScope, openScope } from '../context/context-scope.js';
import { executionScope, innermost, within } from './propagation/call-scopes.js';
import { isFieldResolver } from './call/handlers.js';
import { ownInterceptors } from './http/routes.js';
import { observeStream } from './call/observe-result.js';
import { openCalls } from './call/open-calls.js';
import { rawOf } from '../context/call-source.js';
import { endOf, onResponseEnd, type RawResponse } from './http/response-end.js';
import { TrackedCall } from './call/tracked-call.js';
import { planOf } from './call/tracked-methods.js';
import { isTracker, Tracker } from './tracker.js';

/** An interceptor around ours may subscribe again, as `retry` does. */
interface Attempt {
  readonly call: TrackedCall;
  isOpen: boolean;
}

/** Calls that are in hand, should the interceptor be bound to a controller or globally too. */
const seen = new AttachedState<Attempt>('attempt');

/**
 * Captures the events of decorated handlers, in every transport. `@TrackEvent` binds it to its handler; it needs no binding of its
 * own, and does nothing for others. Without PostHogCaptureModule it lets every call pass.
 */
@Injectable()
export class TrackEventInterceptor implements NestInterceptor {
  readonly #tracker: Tracker | undefined;

  constructor(@Optional() @Inject(Tracker) tracker?: unknown) {
    this.#tracker = isTracker(tracker) ? tracker : undefined;
  }

  intercept(execution: ExecutionContext, next: CallHandler): Observable<unknown> {
    const tracker = this.#tracker;
    const handler = execution.getHandler();
    const plan = planOf(handler);
    if (tracker === undefined || plan.events.length === 0 || seen.get(execution)?.isOpen === true) return next.handle();
    const { scope, source } = executionScope(execution, tracker.warnOfContext);
    // Field resolvers run once per field, not once per operation: see the decorator.
    if (source.transport === 'graphql' && isFieldResolver(handler, tracker)) return next.handle();
    const events = tracker.wanted(plan.events);
    if (events.length === 0) return tracker.opensContexts ? within(scope, () => next.handle()) : next.handle();

    const response = source.transport === 'http' ? responseOf(execution) : undefined;
    // Over HTTP it is the response that ends a call, however many attempts it took.
    const earlier = response === undefined ? undefined : seen.get(execution)?.call;
    earlier?.again();
    const call =
      earlier ??
      new TrackedCall({
        events,
        // As it is now: another handler may serve the same request after this one.
        source: { transport: source.transport, request: source.request as unknown, execution },
        scope: innermost(scope),
        capture: tracker.capture,
      });
    const attempt: Attempt = { call, isOpen: true };
    seen.set(execution, attempt);
    // Without contexts the handler still has to find its call.
    const inside: ContextScope = tracker.opensContexts ? innermost(scope) : openScope(currentScope.getStore(), {});
    const close = openCalls.open(inside, handler, call);
    const stream = within(inside, () => next.handle()).pipe(
      // One operator, and not `finalize` alone, which comes after whoever hears of an error has subscribed again.
      tap({
        next: (value) => {
          if (response !== undefined) call.noteResult(value);
        },
        error: (error) => {
          attempt.isOpen = false;
          if (response !== undefined) call.noteError(error);
        },
        complete: () => (attempt.isOpen = false),
        finalize: () => {
          attempt.isOpen = false;
          close();
          // The client may have left before, or the server given the response up.
          const end = response && endOf(response);
          if (end !== undefined) call.responded(end);
        },
      }),
    );

    if (response === undefined) return observeStream(stream, call, 'abandon');
    if (earlier === undefined) onResponseEnd(response, (end) => call.responded(end));
    return stream;
  }
}

ownInterceptors.add(TrackEventInterceptor);

function responseOf(execution: ExecutionContext): RawResponse | undefined {
  const raw = rawOf<RawResponse>(execution.switchToHttp().getResponse());
  return typeof raw?.end === 'function' && typeof raw.once === 'function' ? raw : undefined;
}
