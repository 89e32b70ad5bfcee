import { AttachedState } from '../shared/attached-state.js';
import { type Warn } from '../shared/unknown-fields.js';
import { callSync, FAILED, idText } from '../shared/untrusted-values.js';
import { type CallSource, requestOf, routeOf } from './call-source.js';
import {
  type CaptureContext,
  checkContext,
  type CheckedContext,
  mergeContexts,
  NO_CONTEXT,
} from './capture-context.js';
import { type ProfileMode } from './profile-mode.js';
import { cookieNamesOf, type CookieNames } from './posthog-cookie.js';
import {
  hasTracingHeaders,
  readPostHogCookie,
  readTracingHeaders,
  requestPropertyReader,
  type RequestPropertySet,
} from './request-context.js';

/**
 * Determines the current user of a call: returns a distinct id, a whole context, or undefined while the user is unknown. Called for
 * the first event of a call, after the guards when that event is captured after them; a result is final for the call, after
 * `undefined` it is called again. Synchronous. If it throws, a warning is logged and the call is anonymous.
 */
export type Identity = (source: CallSource) => CaptureContext | string | number | null | undefined;

/** The options of an instance that decide how it reads calls. */
export interface InterpreterSettings {
  readonly identity?: Identity | undefined;
  readonly tracingHeaders: boolean;
  readonly posthogCookie: boolean;
  /** Part of the cookie's name. */
  readonly apiKey: string;
  readonly requestProperties: RequestPropertySet | readonly RequestPropertySet[];
  /** `identified`: contexts tell whether their person is known from tracing headers only. Default: they do not. */
  readonly profiles?: ProfileMode;
}

const REMEDIES = {
  threw: 'check that the fields it reads exist in every transport',
  'returned a promise': 'return the user synchronously',
};

/** Cached results for one call. */
interface Reading {
  identity: CheckedContext | 'asking' | undefined;
  /** From identity and the browser; `identified` is the identity that it was made from. */
  person: CheckedContext | undefined;
  identified: CheckedContext | undefined;
  /** Of the request, when it was on `route`. */
  properties: CheckedContext['properties'];
  route: string | undefined;
  /** Person and properties, until one of them changes. */
  all: CheckedContext | undefined;
}

/**
 * Derives the context of a call from the call itself: the `identity` of the application, then PostHog's tracing headers or its cookie, and
 * properties of the request. It ranks below any context set by code, and is read when an event needs it, because guards determine the user only
 * after the call has begun. Each instance has its own, with its own options. Never throws.
 */
export class CallInterpreter {
  readonly #readings = new AttachedState<Reading>();
  readonly #settings: InterpreterSettings;
  readonly #warn: Warn;
  readonly #readProperties: ReturnType<typeof requestPropertyReader>;
  readonly #cookie: CookieNames | undefined;

  constructor(settings: InterpreterSettings, warn: Warn) {
    this.#settings = settings;
    this.#warn = warn;
    this.#readProperties = requestPropertyReader(settings.requestProperties);
    this.#cookie = settings.posthogCookie ? cookieNamesOf(settings.apiKey) : undefined;
  }

  /** Person and request properties. The same object for the same call until more is known of it. */
  contextOf(source: CallSource): CheckedContext {
    const person = this.personOf(source);
    const request = this.requestPropertiesOf(source);
    if (request === undefined) return person;
    return (this.#readingOf(source).all ??= mergeContexts({ properties: request }, person));
  }

  /** The current user by identity and the browser. The same object for the same call until more is known of it. */
  personOf(source: CallSource): CheckedContext {
    const reading = this.#readingOf(source);
    const identity = this.#identityOf(source, reading);
    if (reading.person === undefined || reading.identified !== identity) {
      const browser = this.#browserOf(source);
      reading.person = identity === NO_CONTEXT ? browser : { ...browser, ...identity };
      reading.identified = identity;
      reading.all = undefined;
    }
    return reading.person;
  }

  /** The same object as long as the request is on the same route. */
  requestPropertiesOf(source: CallSource): CheckedContext['properties'] {
    if (this.#readProperties === undefined || source.request === undefined) return undefined;
    const reading = this.#readingOf(source);
    return this.#carefully(() => {
      const request = requestOf(source);
      // Of all fields only the route becomes known later than the request.
      const route = routeOf(request);
      if (reading.properties === undefined || reading.route !== route) {
        reading.properties = this.#readProperties?.(request, route);
        reading.route = route;
        reading.all = undefined;
      }
      return reading.properties;
    });
  }

  #readingOf(source: CallSource): Reading {
    const known = this.#readings.get(source);
    if (known !== undefined) return known;
    const reading: Reading = {
      identity: undefined,
      person: undefined,
      identified: undefined,
      properties: undefined,
      route: undefined,
      all: undefined,
    };
    this.#readings.set(source, reading);
    return reading;
  }

  #identityOf(source: CallSource, reading: Reading): CheckedContext {
    const { identity } = this.#settings;
    // The call of a provider has neither a request nor a handler to identify the user by.
    if (identity === undefined || source.transport === 'provider') return NO_CONTEXT;
    // `identity` may capture an event itself, and must not be called again for that.
    if (reading.identity !== undefined) return reading.identity === 'asking' ? NO_CONTEXT : reading.identity;
    reading.identity = 'asking';
    const result = callSync(identity, source, (problem) =>
      this.#warn(`identity ${problem}, so the call is anonymous: ${REMEDIES[problem]}`),
    );
    if (result === FAILED || result === undefined || result === null) {
      reading.identity = undefined;
      return NO_CONTEXT;
    }
    const isContext = typeof result === 'object' && idText(result) === null;
    reading.identity = checkContext(isContext ? result : { distinctId: result }, (warning) =>
      this.#warn(`identity: ${warning}`),
    );
    return reading.identity;
  }

  /** The user according to posthog-js in the browser: its headers, otherwise its cookie. */
  #browserOf(source: CallSource): CheckedContext {
    const { tracingHeaders, identity, profiles } = this.#settings;
    if ((!tracingHeaders && this.#cookie === undefined) || source.request === undefined) return NO_CONTEXT;
    const isPersonTrusted = identity === undefined;
    const read = (): CheckedContext => {
      const request = requestOf(source);
      const headers = tracingHeaders ? readTracingHeaders(request, isPersonTrusted, this.#warn) : NO_CONTEXT;
      if (headers.distinctId !== undefined && profiles === 'identified') return { ...headers, unidentified: true };
      if (headers !== NO_CONTEXT || this.#cookie === undefined) return headers;
      if (tracingHeaders && hasTracingHeaders(request)) return NO_CONTEXT;
      return readPostHogCookie(request, this.#cookie, isPersonTrusted, this.#warn);
    };
    return this.#carefully(read) ?? NO_CONTEXT;
  }

  /** The application's own getters may throw, for instance a trust-proxy function. */
  #carefully<T>(read: () => T): T | undefined {
    try {
      return read();
    } catch {
      this.#warn('the request could not be read: check for a getter or a trust-proxy function that throws');
      return undefined;
    }
  }
}
