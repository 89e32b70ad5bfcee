import { currentScope } from '../../context/context-scope.js';
import { pathOf, rawOf, requestOf, routeOf } from '../../context/call-source.js';
import { requestScope, within } from '../propagation/call-scopes.js';
import { dutyOfRoute, forgetGuards, hasPassedGuards, type RouteDuty, routesKnowTheirHandlers } from './routes.js';
import { aroundRoutes, frameworkOf, hookRequests, hookRoutes, type HttpAdapter, runFirst } from './http-adapters.js';
import { enterCall, leaveCall } from './route-calls.js';
import { type RequestTracking, requestTrackingOf } from './request-events.js';
import { onResponseEnd, type RawResponse, type ResponseEnd } from './response-end.js';
import { isSampled } from '../call/sampling.js';
import { actingPerson, addCall, type TrackingInstance } from '../call/track.js';
import { millisecondsSince, TrackedCall } from '../call/tracked-call.js';
import { type TrackContext, type TrackedEvent } from '../call/track-event.options.js';
import { isUntracked } from './untracked-requests.js';

/** What this needs of the application. */
export interface TrackingApp {
  readonly opensContexts: boolean;
  wanted(events: readonly TrackedEvent[]): readonly TrackedEvent[];
  readonly capture: (event: TrackedEvent, context: TrackContext) => void;
  readonly warn: (kind: string, text: string) => void;
}

const LATE =
  'PostHogCaptureModule was loaded when the application listened already, and Fastify takes no hooks any more: requests have no context and no event of their own. Import it in the root module.';

/** A route that a request has entered, and may leave again for another one. */
interface Entry {
  left: boolean;
}

/**
 * What the interceptor cannot do over HTTP, or not as cheaply: give every request its context before anything else runs, capture requests
 * that reach no handler and calls that a guard or another interceptor ends, and open the calls of handlers of which only successes are
 * captured. Uses Express's and Fastify's own hooks, and only those that something needs.
 */
export class HttpTracking {
  readonly #app: TrackingApp;
  readonly #adapter: () => HttpAdapter | undefined;
  readonly #requests: { readonly instance: TrackingInstance; readonly tracking: RequestTracking }[] = [];
  readonly #entries = new WeakMap<object, Entry>();
  #isHooked = false;
  #watchesRoutes = false;

  constructor(app: TrackingApp, adapter: () => HttpAdapter | undefined) {
    this.#app = app;
    this.#adapter = adapter;
  }

  /** False where routes cannot be told apart, and for an adapter whose hooks are not known. One that does not exist yet, as in a testing module, is most likely known. */
  get canWatchRoutes(): boolean {
    const adapter = this.#adapter();
    return routesKnowTheirHandlers && (adapter === undefined || frameworkOf(adapter) !== undefined);
  }

  /** There are routes with a duty. */
  watchRoutes(): void {
    this.#watchesRoutes = true;
  }

  /** An instance has come, perhaps before the adapter has: a testing module is compiled before it becomes an application. */
  register(instance: TrackingInstance): void {
    const tracking = requestTrackingOf(instance.settings.requests);
    if (tracking !== null) this.#requests.push({ instance, tracking });
    // The earlier, the more of Fastify's hooks come after ours. Express can put us in front at any time.
    const framework = frameworkOf(this.#adapter());
    if (framework !== undefined && 'fastify' in framework) this.#hookRequests(framework);
  }

  /** Nest has registered all routes. */
  routesAreKnown(): void {
    const framework = frameworkOf(this.#adapter());
    if (framework === undefined) return;
    this.#hookRequests(framework);
    if (!this.#watchesRoutes) return;
    if ('fastify' in framework) {
      hookRoutes(framework.fastify, (config, request, reply, done) => {
        const duty = dutyOfRoute(config);
        if (duty === undefined) done();
        else this.#enter(duty, request, reply, done);
      });
      return;
    }
    aroundRoutes(framework.express, (handlers) => {
      const duty = handlers.map(dutyOfRoute).find((one) => one !== undefined);
      return (
        duty && {
          enter: (request, response, next) => this.#enter(duty, request, response, next),
          leave: (request, _response, next) => {
            const entry = this.#entries.get(request);
            if (entry !== undefined) entry.left = true;
            leaveCall(request);
            next();
          },
        }
      );
    });
  }

  #hookRequests(framework: NonNullable<ReturnType<typeof frameworkOf>>): void {
    if (this.#isHooked || !(this.#app.opensContexts || this.#requests.length > 0)) return;
    this.#isHooked = true;
    const open = (request: object, response: object, next: () => void): void => {
      this.#begin(request, response);
      if (this.#app.opensContexts) within(requestScope(request).scope, next);
      else next();
    };
    if ('express' in framework) {
      runFirst(framework.express, open);
      return;
    }
    try {
      hookRequests(framework.fastify, open);
    } catch {
      this.#app.warn('track: late', LATE);
    }
  }

  #begin(request: object, response: object): void {
    if (this.#requests.length === 0) return;
    const raw = rawOf<RawResponse>(response);
    if (raw === undefined) return;
    const startedAt = performance.now();
    onResponseEnd(raw, (end) => {
      for (const { instance, tracking } of this.#requests) {
        currentScope.run(requestScope(request).scope, () =>
          captureRequest(request, end, startedAt, instance, tracking),
        );
      }
    });
  }

  #enter(duty: RouteDuty, request: object, response: object, next: () => void): void {
    if (duty.isWatched) this.#watch(duty, request, response);
    if (duty.opensCall && this.#app.opensContexts) enterCall(duty, request, response, this.#app, next);
    else next();
  }

  /** Captures what the interceptor never hears of. */
  #watch({ plan }: RouteDuty, request: object, response: object): void {
    const raw = rawOf<RawResponse>(response);
    const events = this.#app.wanted(plan.events);
    if (raw === undefined || events.length === 0) return;
    const rawRequest = rawOf(request) ?? request;
    const { scope, source } = requestScope(request);
    const { execution } = source;
    const entry: Entry = { left: false };
    this.#entries.set(rawRequest, entry);
    forgetGuards(rawRequest);
    const call = new TrackedCall({ events, source, scope, capture: this.#app.capture });
    onResponseEnd(raw, (end) => {
      // Fastify has its own way of passing a request on: to the handler of what was not found.
      const isElsewhere =
        entry.left || this.#entries.get(rawRequest) !== entry || Reflect.get(request, 'is404') === true;
      if (end.how !== 'complete' || isElsewhere) return;
      if (!hasPassedGuards(rawRequest)) call.denied(end);
      // The interceptor would have told.
      else if (source.execution === execution) call.responded(end);
    });
  }
}

/** Runs in the context of the request. Never throws. */
function captureRequest(
  request: object,
  { how, statusCode }: ResponseEnd,
  startedAt: number,
  { capture, settings }: TrackingInstance,
  { event, sampleRate, ignores }: RequestTracking,
): void {
  try {
    const fields = requestOf({ transport: 'http', request });
    const route = routeOf(fields);
    const names = [pathOf(fields), route].filter((name) => name !== undefined);
    if (capture.disabled || isUntracked(rawOf(request) ?? request) || ignores(names)) return;
    if (sampleRate < 1 && !isSampled(event, actingPerson(capture), sampleRate)) return;
    const isError = how === 'broken' || (statusCode !== undefined && statusCode >= 400);
    const outcome = how === 'aborted' ? how : isError ? 'error' : 'success';
    const properties: Record<string, unknown> = { $request_method: fields.method };
    if (route !== undefined) properties.$request_route = route;
    addCall(properties, { outcome, durationMs: millisecondsSince(startedAt), transport: 'http', statusCode });
    capture.capture({ event, properties });
  } catch {
    settings.warn('track: requests', 'A request could not be captured.');
  }
}
