import { types } from 'node:util';
import { AttachedState } from '../shared/attached-state.js';
import { type ActingContext, type CaptureContext, NO_CONTEXT } from './capture-context.js';
import { type CallSource } from './call-source.js';
import { checkContext, type Warn } from './check-context.js';
import { mergeContexts } from './context-scope.js';
import { requestOf, routeOf } from './request-fields.js';
import { requestPropertyReader, type RequestPropertySet } from './request-context.js';
import { readTracingHeaders } from './tracing-headers.js';

/**
 * Says who acts in a call, as the application knows it: a distinct id, a whole context, or undefined while nobody is known. Asked
 * for the first event of a call, after guards have run when that event is captured after them; an answer is final for the call, and
 * `undefined` is asked again. Synchronous. One that throws costs a line in the log, and the call names nobody.
 */
export type Identity = (source: CallSource) => CaptureContext | string | number | null | undefined;

/** What one instance makes of the calls it captures in. */
export interface InterpreterSettings {
  readonly identity?: Identity | undefined;
  readonly tracingHeaders: boolean;
  readonly requestProperties: RequestPropertySet | readonly RequestPropertySet[];
}

/** What is known of one call so far. */
interface Reading {
  identity: ActingContext | 'asking' | undefined;
  /** By identity and headers; `identified` is the identity that was known then. */
  person: ActingContext | undefined;
  identified: ActingContext | undefined;
  /** Of the request, when it was on `route`. */
  properties: ActingContext['properties'];
  route: string | undefined;
  /** All of it, until more is known. */
  all: ActingContext | undefined;
}

/**
 * What a call itself says of who acts, below all that code has said: the `identity` of the application first, then PostHog's tracing
 * headers, and properties of the request. Read when an event asks for it, because guards find out who acts only after
 * the call has begun. Belongs to one instance, because each has its own options. Never throws.
 */
export class CallInterpreter {
  private readonly readings = new AttachedState<Reading>();
  private readonly readProperties: ReturnType<typeof requestPropertyReader>;

  constructor(
    private readonly settings: InterpreterSettings,
    private readonly warn: Warn,
  ) {
    this.readProperties = requestPropertyReader(settings.requestProperties);
  }

  /** All that a call says, as one. The same object for the same call as long as nothing new is known of it. */
  contextOf(source: CallSource): ActingContext {
    const person = this.personOf(source);
    const request = this.requestPropertiesOf(source);
    if (request === undefined) return person;
    return (this.readingOf(source).all ??= mergeContexts({ properties: request }, person));
  }

  /** Who acts in a call, by identity and headers. The same object for the same call as long as nothing new is known of it. */
  personOf(source: CallSource): ActingContext {
    const reading = this.readingOf(source);
    const identity = this.identityOf(source, reading);
    if (reading.person === undefined || reading.identified !== identity) {
      const headers = this.headersOf(source);
      reading.person = identity === NO_CONTEXT ? headers : { ...headers, ...identity };
      reading.identified = identity;
      reading.all = undefined;
    }
    return reading.person;
  }

  /** What the request of a call adds to its events. The same object as long as the request is on the same route. */
  requestPropertiesOf(source: CallSource): ActingContext['properties'] {
    if (this.readProperties === undefined || source.request === undefined) return undefined;
    const reading = this.readingOf(source);
    return this.carefully(() => {
      const request = requestOf(source);
      // Only the route becomes known later than the request.
      const route = routeOf(request);
      if (reading.properties === undefined || reading.route !== route) {
        reading.properties = this.readProperties?.(request, route);
        reading.route = route;
        reading.all = undefined;
      }
      return reading.properties;
    });
  }

  private readingOf(source: CallSource): Reading {
    const known = this.readings.get(source);
    if (known !== undefined) return known;
    const reading: Reading = {
      identity: undefined,
      person: undefined,
      identified: undefined,
      properties: undefined,
      route: undefined,
      all: undefined,
    };
    this.readings.set(source, reading);
    return reading;
  }

  private identityOf(source: CallSource, reading: Reading): ActingContext {
    const { identity } = this.settings;
    // The call of a provider has neither a request nor a handler that could say who acts.
    if (identity === undefined || source.transport === 'provider') return NO_CONTEXT;
    // An identity that captures something itself is not asked within its own answer.
    if (reading.identity !== undefined) return reading.identity === 'asking' ? NO_CONTEXT : reading.identity;
    reading.identity = 'asking';
    const answer = this.answerOf(identity, source);
    if (answer === undefined || answer === null) {
      reading.identity = undefined;
      return NO_CONTEXT;
    }
    reading.identity = checkContext(typeof answer === 'object' ? answer : { distinctId: answer }, (warning) =>
      this.warn(`identity: ${warning}`),
    );
    return reading.identity;
  }

  private answerOf(identity: Identity, source: CallSource): unknown {
    try {
      const answer: unknown = identity(source);
      if (!types.isPromise(answer)) return answer;
      answer.catch(() => undefined);
      this.warn('identity answered a promise, but it must answer at once; nobody is known to act');
    } catch {
      this.warn('identity threw, so nobody is known to act; is what it reads always there, in every transport?');
    }
    return undefined;
  }

  private headersOf(source: CallSource): ActingContext {
    if (!this.settings.tracingHeaders || source.request === undefined) return NO_CONTEXT;
    const isPersonTrusted = this.settings.identity === undefined;
    return this.carefully(() => readTracingHeaders(requestOf(source), isPersonTrusted)) ?? NO_CONTEXT;
  }

  /** Getters of the application's own may stand in the way, such as a trust-proxy function. */
  private carefully<T>(read: () => T): T | undefined {
    try {
      return read();
    } catch {
      this.warn('the request could not be read, perhaps because of a trust-proxy function that throws');
      return undefined;
    }
  }
}
