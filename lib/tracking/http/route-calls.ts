import { type Type } from '@nestjs/common';
import { ExecutionContextHost } from '@nestjs/core/helpers/execution-context-host.js';
import { innermost, requestScope, within } from '../propagation/call-scopes.js';
import { type RouteDuty } from './routes.js';
import { openCalls } from '../call/open-calls.js';
import { rawOf } from '../../context/call-source.js';
import { beforeEnd, type RawResponse } from './response-end.js';
import { type CallStart, TrackedCall } from '../call/tracked-call.js';

/** Who captures the events of calls. */
interface CallKeeper extends Pick<CallStart, 'capture'> {
  wanted(events: CallStart['events']): CallStart['events'];
}

/** Opens the call of a route's handler, to begin when its method is reached, and goes on within the context of the request. */
export function enterCall(
  { handler, plan }: RouteDuty,
  request: object,
  response: object,
  app: CallKeeper,
  next: () => void,
): void {
  const route = requestScope(request);
  const inside = innermost(route.scope);
  route.entered = inside;
  openCalls.enter(inside, handler, plan, (self) => {
    const raw = rawOf<RawResponse>(response);
    const events = app.wanted(plan.events);
    if (raw === undefined || events.length === 0) return undefined;
    // Nest makes one for guards, pipes and interceptors only.
    const execution = new ExecutionContextHost([request, response], self.constructor as Type, handler);
    route.source.execution = execution;
    const call = new TrackedCall({
      events,
      // As it is now: another handler may serve the same request after this one.
      source: { transport: 'http', request, execution },
      scope: innermost(inside),
      capture: app.capture,
    });
    // A connection that closes before is no success, which is all that is captured.
    beforeEnd(raw, (end) => call.responded(end));
    return call;
  });
  within(inside, next);
}

/** The handler has passed the request on. */
export function leaveCall(request: object): void {
  const { entered } = requestScope(request);
  if (entered !== undefined) openCalls.leave(entered);
}
