import { type Abstract, type LoggerService, type Type } from '@nestjs/common';
import { type AxiosRequestConfig } from 'axios';
import { ValidateIf } from 'class-validator';
import {
  IsCount,
  IsDelay,
  IsEventsOptions,
  IsExceptionOptions,
  IsHost,
  IsLimits,
  IsOneOf,
  IsOptionalAge,
  IsOptionalBeforeSend,
  IsOptionalCallback,
  IsOptionalHttp,
  IsOptionalIdentity,
  IsOptionalLogger,
  IsOptionalQueue,
  IsOptionalStore,
  isPlaceholder,
  IsProjectApiKey,
  IsRequestTracking,
  IsSomeOf,
  IsSuperProperties,
  IsSwitch,
} from './option-rules.js';
import { type ExceptionOptions } from './exception-options.js';
import { queueDefaults } from './queue-defaults.js';
import { type EventLimit } from '../events/event-limit.js';
import { type EventsOptions } from '../events/events-options.js';
import { type Identity } from '../context/call-interpreter.js';
import { PROFILE_MODES, type ProfileMode } from '../context/profile-mode.js';
import { REQUEST_PROPERTY_SETS, type RequestPropertySet } from '../context/request-context.js';
import { type EventDrop } from '../delivery/delivery.js';
import { type EventStore } from '../delivery/durability/event-store.js';
import { type CaptureQueue } from '../queue/capture-queue.js';
import { type HttpServiceLike } from '../wire/http-service.js';
import { type PostHogEvent } from '../wire/posthog-event.js';
import { CAPTURE_MODES, type CaptureMode } from '../wire/wire-format.js';

const KIB = 1024;
const MIB = 1024 * KIB;

/**
 * Called with each complete event, in PostHog's spelling, before it is queued. Returns the event, changed or not, or null to drop it. Must be
 * synchronous. If it throws or returns a promise, the event is dropped as `before_send`: nothing is ever sent unfiltered.
 */
export type BeforeSend = (event: PostHogEvent) => PostHogEvent | null;

/** The events of one request that PostHog has accepted. */
export interface EventDelivery {
  uuids: string[];
  /** Number of requests, including the successful one. */
  attempts: number;
  /** Milliseconds from the start of the first request to the response. */
  durationMs: number;
}

/** Options of the event that is captured per HTTP request. */
export interface RequestTrackingOptions {
  /** Name of the event. Default: `http_request`. */
  event?: string | undefined;
  /** Share of persons whose requests are captured, from 0 to 1. Default: 1. */
  sampleRate?: number | undefined;
  /**
   * Requests that are not captured, such as health checks: an exact path or route template (`/health`), a prefix (`/static/*`),
   * or a regular expression that is tested against the path. Default: none.
   */
  ignore?: readonly (string | RegExp)[] | undefined;
}

/** Injection token of an `HttpService` of the application: its class, a string or a symbol. */
export type HttpServiceToken = Type<HttpServiceLike> | Abstract<HttpServiceLike> | string | symbol;

/** @param options perhaps invalid */
function needsKey({ enabled, apiKey, queue }: PostHogCaptureOptions): boolean {
  if (!enabled) return apiKey !== '' && !isPlaceholder(apiKey);
  return apiKey !== '' || typeof queue !== 'object' || queue.project === undefined;
}

/**
 * The resolved options of one instance, complete and valid. The initializers are the defaults, and the decorators are the rules:
 * an invalid value stops the boot.
 *
 * "Variable" is the environment variable of the default instance. An instance named `billing` reads `POSTHOG_BILLING_API_KEY` and
 * so on, and never `POSTHOG_API_KEY`, so that no event reaches the wrong project.
 */
export class PostHogCaptureOptions {
  /**
   * Project API key (`phc_…`), from the settings of the PostHog project. Other keys (`phx_…`, `phs_…`), placeholders and a key in quotes are refused. Surrounding
   * whitespace is removed.
   *
   * Required, unless `enabled` is false, or `queue` has a `project`: then only `captureNow` needs it. Variable: `POSTHOG_API_KEY`.
   */
  @ValidateIf(needsKey)
  @IsProjectApiKey()
  readonly apiKey: string = '';

  /**
   * Address of PostHog: `https://us.posthog.com` or `https://eu.posthog.com`, which are mapped to their ingestion hosts, or the
   * http(s) URL of a self-hosted PostHog or a reverse proxy, including the path of the proxy if it has one, but not that of an endpoint (`/batch/`).
   *
   * Default: `https://us.posthog.com`. Variable: `POSTHOG_HOST`.
   */
  @IsHost()
  readonly host: string = 'https://us.posthog.com';

  /**
   * false turns the instance into a no-op: it captures nothing, opens no socket, starts no timer and needs no key.
   *
   * Default: true. Variable: `POSTHOG_ENABLED`.
   */
  @IsSwitch()
  readonly enabled: boolean = true;

  /**
   * PostHog's capture API. `v0` (`/batch/`) works with every server. `v1` returns a result for each event, where the server supports it.
   *
   * Default: `v0`. Variable: `POSTHOG_CAPTURE_MODE`.
   */
  @IsOneOf(...CAPTURE_MODES)
  readonly captureMode: CaptureMode = 'v0';

  /**
   * Number of queued events that triggers a send before `flushIntervalMs` elapses: immediately if they fill a request, otherwise a few
   * milliseconds later, so that the request can take more. Fewer events trigger a send if they take half of the free space of the
   * queue. A value above `maxBatchEvents` has the same effect as `maxBatchEvents`.
   *
   * Default: 100. Variable: `POSTHOG_FLUSH_AT`.
   */
  @IsCount('events')
  readonly flushAt: number = 100;

  /**
   * Maximum time that an event waits in the queue before it is sent, in milliseconds.
   *
   * Default: 1000. Variable: `POSTHOG_FLUSH_INTERVAL_MS`.
   */
  @IsDelay()
  readonly flushIntervalMs: number = 1000;

  /**
   * Maximum number of events per request.
   *
   * Default: 500. Variable: `POSTHOG_MAX_BATCH_EVENTS`.
   */
  @IsCount('events')
  readonly maxBatchEvents: number = 500;

  /**
   * Maximum size of the events of a request in bytes, before compression. A larger event is sent alone.
   *
   * Default: 5 MiB. Variable: `POSTHOG_MAX_BATCH_BYTES`.
   */
  @IsCount('bytes')
  readonly maxBatchBytes: number = 5 * MIB;

  /**
   * Maximum size of an event in bytes, as JSON in UTF-8. A larger event is dropped as `too_large`; a larger error is trimmed; a larger
   * AI event is sent as by `captureAi`, which accepts 8 MiB. PostHog stores about 1 MB of others.
   *
   * Default: 900 KiB. Variable: `POSTHOG_MAX_EVENT_BYTES`.
   */
  @IsCount('bytes')
  readonly maxEventBytes: number = 900 * KIB;

  /**
   * Maximum number of events in memory. When the queue is full, the oldest event that is not in flight is dropped as `queue_full`.
   * The AI events of `captureAi` have a separate queue with this limit.
   *
   * Default: 100 000, and proportionally less with a heap limit below 1 GiB. Variable: `POSTHOG_MAX_QUEUE_EVENTS`.
   */
  @IsCount('events')
  readonly maxQueueEvents: number = queueDefaults().maxQueueEvents;

  /**
   * Maximum size of all events in memory, in bytes. When the queue is full, the oldest event that is not in flight is dropped as
   * `queue_full`. The AI events of `captureAi` have a separate queue with this limit.
   *
   * Default: 64 MiB, and proportionally less with a heap limit below 1 GiB. Variable: `POSTHOG_MAX_QUEUE_BYTES`.
   */
  @IsCount('bytes')
  readonly maxQueueBytes: number = queueDefaults().maxQueueBytes;

  /**
   * Maximum number of requests in flight.
   *
   * Default: 4. Variable: `POSTHOG_CONCURRENCY`.
   */
  @IsCount('requests')
  readonly concurrency: number = 4;

  /**
   * Compression of request bodies: `gzip`, at its fastest level, or `none`.
   *
   * Default: `gzip`. Variable: `POSTHOG_COMPRESSION`.
   */
  @IsOneOf('gzip', 'none')
  readonly compression: 'gzip' | 'none' = 'gzip';

  /**
   * Timeout of one request in milliseconds, including the response.
   *
   * Default: 10 000. Variable: `POSTHOG_REQUEST_TIMEOUT_MS`.
   */
  @IsDelay(1)
  readonly requestTimeoutMs: number = 10_000;

  /**
   * Number of retries of a failed request before the instance cools down: 3 means up to 4 requests. The events are kept.
   *
   * Default: 3. Variable: `POSTHOG_MAX_RETRIES`.
   */
  @IsCount('retries', 0)
  readonly maxRetries: number = 3;

  /**
   * Delay before the first retry in milliseconds. It doubles with each further retry, up to `retryMaxMs`, and is shortened by a
   * random share of up to half.
   *
   * Default: 1000. Variable: `POSTHOG_RETRY_BASE_MS`.
   */
  @IsDelay()
  readonly retryBaseMs: number = 1000;

  /**
   * Maximum delay between two retries in milliseconds. If PostHog asks for more (`Retry-After`), the instance cools down instead.
   *
   * Default: 30 000. Variable: `POSTHOG_RETRY_MAX_MS`.
   */
  @IsDelay()
  readonly retryMaxMs: number = 30_000;

  /**
   * Pause in milliseconds, without any request, after all retries have failed or PostHog has refused the key. Then one request is sent as
   * a probe. The events are kept.
   *
   * Default: 30 000. Variable: `POSTHOG_COOL_DOWN_MS`.
   */
  @IsDelay()
  readonly coolDownMs: number = 30_000;

  /**
   * Age in milliseconds at which an event that has not been delivered is dropped as `expired`.
   *
   * Default: none, events never expire. Variable: `POSTHOG_MAX_EVENT_AGE_MS`.
   */
  @IsOptionalAge()
  readonly maxEventAgeMs?: number;

  /**
   * Maximum time in milliseconds that the shutdown spends on sending pending events. While PostHog is unreachable, it keeps trying until
   * then only if PostHog has responded before and no store holds the events; otherwise it gives up after one probe. 0 closes without
   * sending.
   *
   * Default: 10 000. Variable: `POSTHOG_SHUTDOWN_TIMEOUT_MS`.
   */
  @IsDelay()
  readonly shutdownTimeoutMs: number = 10_000;

  /**
   * Prevents PostHog from locating events by IP address: the address of a backend is not that of the user.
   *
   * Default: true. Variable: `POSTHOG_DISABLE_GEOIP`.
   */
  @IsSwitch()
  readonly disableGeoip: boolean = true;

  /**
   * Marks all events as an import of old events, which PostHog ingests separately.
   *
   * Default: false. Variable: `POSTHOG_HISTORICAL_MIGRATION`.
   */
  @IsSwitch()
  readonly historicalMigration: boolean = false;

  /**
   * Opens a context for each request and message, so that the events captured in it belong to its person and session.
   *
   * Default: true. Variable: `POSTHOG_CONTEXT`.
   */
  @IsSwitch()
  readonly context: boolean = true;

  /**
   * Reads the session and, without `identity`, the person from the headers that posthog-js adds to requests. Everything that code sets
   * takes precedence. These headers come from the client and must not be trusted.
   *
   * Default: true. Variable: `POSTHOG_TRACING_HEADERS`.
   */
  @IsSwitch()
  readonly tracingHeaders: boolean = true;

  /**
   * Reads the session and, without `identity`, an identified person from the cookie of posthog-js (`ph_<key>_posthog`), for requests without
   * the tracing headers. Nothing is read if the user has refused consent (`__ph_opt_in_out_<key>`). The cookie comes from the client and
   * must not be trusted.
   *
   * Default: false. Variable: `POSTHOG_POSTHOG_COOKIE`.
   */
  @IsSwitch()
  readonly posthogCookie: boolean = false;

  /**
   * Events that create and update person profiles; PostHog bills the others less:
   *
   * - `always`: all events with a person
   * - `identified`: events whose person is known from tracing headers only, which may be an anonymous visitor, have
   *   `$process_person_profile: false`, unless they have `$set`, `$set_once` or `$unset`. PostHog still assigns them to an existing person
   * - `never`: none. `identify`, `alias`, `groupIdentify` and calls that set properties of persons are dropped as `invalid`
   *
   * An event's own `processPersonProfile` takes precedence.
   *
   * Default: `always`. Variable: `POSTHOG_PROFILES`.
   */
  @IsOneOf(...PROFILE_MODES)
  readonly profiles: ProfileMode = 'always';

  /**
   * Properties that a request adds to its events; one of these, or an array:
   *
   * - `route`: method, route template and user agent
   * - `url`: those of `route`, and path and URL without the query. Paths may contain secrets, such as the token of a password reset
   * - `ip`: the address of the client, as Express or Fastify determines it from its trusted proxies
   * - `none`
   *
   * Default: `route`. Variable: `POSTHOG_REQUEST_PROPERTIES`, for example `route,ip`.
   */
  @IsSomeOf(...REQUEST_PROPERTY_SETS)
  readonly requestProperties: RequestPropertySet | readonly RequestPropertySet[] = 'route';

  /**
   * Keeps events until PostHog has accepted them, even across restarts and crashes of the process: the path of a directory,
   * `fileEventStore({ path })` from `nestjs-posthog-capture/store`, or your own `EventStore`. Each instance needs its own store.
   *
   * Default: none, events are in memory only. Variable: `POSTHOG_STORE_PATH`, the path of a directory.
   */
  @IsOptionalStore()
  readonly store?: EventStore | string;

  /**
   * Writes events to a queue that several processes share, instead of sending them to PostHog: `redisQueue({ connection })` from
   * `nestjs-posthog-capture/redis`, the URL of a Redis, or your own `CaptureQueue`. Relays (`nestjs-posthog-capture/relay`, or
   * `posthog-capture relay`) take events from the queue and send them.
   *
   * With a queue, `delivered` in `stats()` counts events that the queue has accepted, and `onDelivery` is not called. Events
   * are written at the end of the turn that captured them, or when the queue has accepted earlier ones, and failures are
   * retried every second. `flushAt`, `maxBatchEvents`, `concurrency`, `retryBaseMs`, `retryMaxMs` and `coolDownMs`
   * apply to `captureNow` only, which sends to PostHog directly. While the queue is down or full, events wait in this process, and in `store` if
   * that is set.
   *
   * Default: none. Variable: `POSTHOG_QUEUE_URL`, such as `rediss://redis:6379`.
   */
  @IsOptionalQueue()
  readonly queue?: CaptureQueue | string;

  /**
   * Properties that are added to every event. Properties of the context and of the event take precedence. Their JSON must be smaller than
   * `maxEventBytes`.
   *
   * Default: none. Set in code only.
   */
  @IsSuperProperties()
  readonly superProperties: Record<string, unknown> = {};

  /**
   * One or several functions that change or drop each complete event, called in this order. They must be synchronous.
   *
   * Default: none. Set in code only.
   */
  @IsOptionalBeforeSend()
  readonly beforeSend?: BeforeSend | BeforeSend[];

  /**
   * Called for each event that will not be delivered. If it throws, a warning is logged.
   *
   * Default: none. Set in code only.
   */
  @IsOptionalCallback()
  readonly onDrop?: (drop: EventDrop) => void;

  /**
   * Called for each request that PostHog has accepted; not called with `queue`. If it throws, a warning is logged.
   *
   * Default: none. Set in code only.
   */
  @IsOptionalCallback()
  readonly onDelivery?: (delivery: EventDelivery) => void;

  /**
   * Keeps a serverless function running until its events are sent: `waitUntil` of `@vercel/functions`, `after` of Next.js, or another function
   * that the platform provides. Called with a promise as soon as an event is captured. The promise resolves when that event, and all that
   * follow it within 50 ms, have been sent, or sending has failed; 500 ms after the first event, sending starts in any case. If the
   * function throws, a warning is logged, and the events are sent if the process continues.
   *
   * Default: none. Set in code only.
   */
  @IsOptionalCallback()
  readonly waitUntil?: (promise: Promise<unknown>) => unknown;

  /**
   * Determines the current user of a request or message, usually from the user that a guard has authenticated. Must be synchronous.
   * A person that code sets, on the event or in the context, takes precedence; with this option, PostHog's tracing headers provide the
   * session only.
   *
   * Default: none. Set in code only.
   */
  @IsOptionalIdentity()
  readonly identity?: Identity;

  /**
   * Axios settings (proxy, agents, …) of a private client, or the injection token of an `HttpService` of the application, whose
   * interceptors then see the key. Settings that PostHog's API requires cannot be changed.
   *
   * Default: none. Requests then go through Node's own client, which costs less, or through axios if the environment specifies a proxy.
   * Set in code only.
   */
  @IsOptionalHttp()
  readonly http?: AxiosRequestConfig | HttpServiceToken;

  /**
   * Captures one event per HTTP request, including requests that match no route or cannot be parsed. true captures all of them as
   * `http_request`.
   *
   * Default: false. Set in code only.
   */
  @IsRequestTracking()
  readonly requests: boolean | RequestTrackingOptions = false;

  /**
   * true captures the unhandled errors of the application; an object captures them with these settings.
   * Source lines and the limit of each type of error apply to `captureException` as well.
   *
   * Default: false. Set in code only.
   */
  @IsExceptionOptions()
  readonly exceptions: boolean | ExceptionOptions = false;

  /**
   * The catalog of defined events (see `defineEvent` and `@Event`), the handling of invalid and unknown events, and that of properties
   * that identify a person.
   *
   * Default: `{}`. Each field of it except `catalog` has a variable, such as `POSTHOG_EVENTS_UNKNOWN`.
   */
  @IsEventsOptions()
  readonly events: EventsOptions = {};

  /**
   * Limits by the name of the event. `*` in a name stands for any characters: `{ 'job_*': { perMinute: 600 } }`. Only
   * one entry applies to an event: its full name or, if there is none, the matching pattern with the most characters besides `*`;
   * in case of a tie, the first. An entry without limits exempts its events. Errors, and events that change persons, groups or flags (`$exception`, `$identify`, `$set`, `$feature_flag_called`, …),
   * are limited by their full name only.
   *
   * Default: none. Variable: `POSTHOG_LIMITS`, as JSON.
   */
  @IsLimits()
  readonly limits: Readonly<Record<string, EventLimit>> = {};

  /**
   * Receives warnings.
   *
   * Default: Nest's `Logger`. Set in code only.
   */
  @IsOptionalLogger()
  readonly logger?: LoggerService;
}

/**
 * The options of `forRoot`, and of the factory of `forRootAsync`: any of PostHogCaptureOptions. `undefined` counts as not given.
 * Strings are converted as in a variable (`'false'`, `'50'`).
 */
export type PostHogCaptureModuleOptions = {
  -readonly [Option in keyof PostHogCaptureOptions]?: PostHogCaptureOptions[Option] | undefined;
};
