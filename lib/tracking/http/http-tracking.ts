import { Socket } from 'node:net';
import { setImmediate } from 'node:timers';
import { type ModulesContainer } from '@nestjs/core';
import { markAsNoHandler, markAsUnmatched, rawOf } from '../../context/call-source.js';
import { currentScope, within } from '../../context/context-scope.js';
import { TrackedCall } from '../call/tracked-call.js';
import { type TrackingApp, type TrackingInstance } from '../call/tracking-instance.js';
import { requestScope } from '../propagation/call-scopes.js';
import {
  aroundRoutes,
  frameworkOf,
  hookRequests,
  hookRoutes,
  type HttpAdapter,
  onNoHandler,
  runFirst,
} from './http-adapters.js';
import { captureRequest, type RequestTracking, requestTrackingOf } from './request-events.js';
import { onResponseEnd, type RawResponse, type ResponseEnd } from './response-end.js';
import { endWithResponse } from './response-outcome.js';
import { enterCall, leaveCall } from './route-calls.js';
import { forgetGuards, hasPassedGuards, prepareRoutes, type TrackedRoute, trackedRouteOf } from './routes.js';

const LATE =
  'PostHogCaptureModule was loaded when the application was already listening, and Fastify accepts no more hooks: requests have no context and no event of their own. Import it in the root module.';

/** Node closes a connection at the end of a turn of the event loop. */
const TURNS_TO_CLOSE = 3;
/** Not the current one, which fake timers may have replaced. */
const nextTurn = setImmediate;

/** A request in a route. */
interface Visit {
  hasLeft: boolean;
}

/**
 * The parts of HTTP tracking that an interceptor cannot do: it gives every request its context before anything else runs, captures
 * requests that reach no handler, and calls that end in a guard or an outer interceptor. Uses the hooks of Express and Fastify, and only
 * those that are needed.
 */
export class HttpTracking {
  readonly #app: TrackingApp;
  readonly #adapter: () => HttpAdapter | undefined;
  readonly #requests: { readonly instance: TrackingInstance; readonly tracking: RequestTracking }[] = [];
  readonly #visits = new WeakMap<object, Visit>();
  readonly #openResponses = new Set<RawResponse>();
  #isHooked = false;
  #tracksRoutes = false;

  constructor(app: TrackingApp, adapter: () => HttpAdapter | undefined) {
    this.#app = app;
    this.#adapter = adapter;
  }

  /** Must be called when all modules are known and the adapter is, just before Nest registers middleware and routes. */
  prepareRoutes(modules: ModulesContainer): void {
    const adapter = this.#adapter();
    const framework = frameworkOf(adapter);
    if (adapter !== undefined && framework !== undefined && 'express' in framework)
      onNoHandler(adapter, markAsNoHandler);
    if (prepareRoutes(modules, this.#app.opensContexts && framework !== undefined)) this.#tracksRoutes = true;
  }

  /** The adapter may not exist yet: a testing module is compiled before it becomes an application. */
  register(instance: TrackingInstance): void {
    const tracking = requestTrackingOf(instance.settings.requests);
    if (tracking !== null) this.#requests.push({ instance, tracking });
    // As early as possible, so that most hooks of Fastify come after ours. On Express the position can be chosen later.
    const framework = frameworkOf(this.#adapter());
    if (framework !== undefined && 'fastify' in framework) this.#hookRequests(framework);
  }

  /** Must be called when Nest has registered all routes. */
  hookRoutes(): void {
    const framework = frameworkOf(this.#adapter());
    if (framework === undefined) return;
    this.#hookRequests(framework);
    if ('express' in framework) {
      framework.express.use((request, _response, next) => {
        markAsUnmatched(request);
        next();
      });
    }
    if (!this.#tracksRoutes) return;
    if ('fastify' in framework) {
      hookRoutes(framework.fastify, (config, request, reply, done) => {
        const route = trackedRouteOf(config);
        if (route === undefined) done();
        else this.#enter(route, request, reply, done);
      });
      return;
    }
    aroundRoutes(framework.express, (handlers) => {
      const route = handlers.map(trackedRouteOf).find((one) => one !== undefined);
      return (
        route && {
          enter: (request, response, next) => this.#enter(route, request, response, next),
          leave: (request, _response, next) => {
            const visit = this.#visits.get(request);
            if (visit !== undefined) visit.hasLeft = true;
            leaveCall(request);
            next();
          },
        }
      );
    });
  }

  /** Calls the listener once when a response ends. See `onResponseEnd`. */
  onResponseEnd(response: RawResponse, listener: (end: ResponseEnd) => void): void {
    // Only a real connection always ends.
    const isReal = (response.socket ?? response.req?.socket) instanceof Socket;
    onResponseEnd(response, listener, isReal ? this.#openResponses : undefined);
  }

  /** Resolves when all responses that are open now have ended, and their connections have closed. */
  async callsEnded(): Promise<void> {
    // A server is closed before the connections that it has destroyed emit `close`, which ends calls and streams of the application.
    for (let turn = 0; turn < TURNS_TO_CLOSE; turn += 1) await new Promise((resolve) => nextTurn(resolve));
    await Promise.all(
      [...this.#openResponses].map((response) => new Promise<unknown>((resolve) => onResponseEnd(response, resolve))),
    );
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
    this.onResponseEnd(raw, (end) => {
      for (const { instance, tracking } of this.#requests) {
        currentScope.run(requestScope(request).scope, () =>
          captureRequest(request, end, startedAt, instance, tracking),
        );
      }
    });
  }

  #enter(route: TrackedRoute, request: object, response: object, next: () => void): void {
    if (route.isWatched) this.#watch(route, request, response);
    if (route.opensCall && this.#app.opensContexts) enterCall(route, request, response, this.#app, next);
    else next();
  }

  /** Captures calls that do not reach the interceptor. */
  #watch({ plan }: TrackedRoute, request: object, response: object): void {
    const raw = rawOf<RawResponse>(response);
    const events = this.#app.wanted(plan.events);
    if (raw === undefined || events.length === 0) return;
    const rawRequest = rawOf(request) ?? request;
    const { scope, source } = requestScope(request);
    const { execution } = source;
    const visit: Visit = { hasLeft: false };
    this.#visits.set(rawRequest, visit);
    forgetGuards(rawRequest);
    const call = new TrackedCall({ events, source, scope, capture: this.#app.capture });
    this.onResponseEnd(raw, (end) => {
      // Fastify passes a request on by its own means: to the handler for requests not found.
      const isElsewhere =
        visit.hasLeft || this.#visits.get(rawRequest) !== visit || Reflect.get(request, 'is404') === true;
      if (end.how !== 'complete' || isElsewhere) return;
      if (!hasPassedGuards(rawRequest)) call.end('denied', end.statusCode);
      // Otherwise the interceptor was reached, which ends the call.
      else if (source.execution === execution) endWithResponse(call, end);
    });
  }
}
