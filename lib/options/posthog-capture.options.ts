import { type HttpService } from '@nestjs/axios';
import { type Abstract, type LoggerService, type Type } from '@nestjs/common';
import { type AxiosRequestConfig } from 'axios';
import { ValidateIf } from 'class-validator';
import {
  IsBag,
  IsCount,
  IsDelay,
  IsHost,
  IsOneOf,
  IsOptionalAge,
  IsOptionalBeforeSend,
  IsOptionalCallback,
  IsOptionalHttp,
  IsOptionalIdentity,
  IsOptionalLogger,
  IsOptionalStore,
  IsProjectApiKey,
  IsRequestTracking,
  IsSomeOf,
  IsSwitch,
} from './option-rules.js';
import { type Identity } from '../context/call-interpreter.js';
import { REQUEST_PROPERTY_SETS, type RequestPropertySet } from '../context/request-context.js';
import { type EventDrop } from '../delivery/delivery.js';
import { type EventStore } from '../delivery/durability/event-store.js';
import { type PostHogEvent } from '../wire/posthog-event.js';

const KIB = 1024;
const MIB = 1024 * KIB;

/**
 * Sees each event last, complete and in PostHog's spelling; returns it, changed or not, or null to drop it.
 * Synchronous. One that throws or answers a promise drops the event: nothing is ever sent unfiltered.
 */
export type BeforeSend = (event: PostHogEvent) => PostHogEvent | null;

/** Events that PostHog has accepted, of one request. */
export interface EventDelivery {
  uuids: string[];
  /** Requests it took, the successful one included. */
  attempts: number;
  /** Milliseconds from the first of these requests to the answer. */
  durationMs: number;
}

/** How HTTP requests are captured. */
export interface RequestTrackingOptions {
  /** The name of the event. Default: `http_request`. */
  event?: string | undefined;
  /** The share of persons whose requests are captured, 0 to 1. Default: 1. */
  sampleRate?: number | undefined;
  /**
   * Requests that are not captured, such as health checks: by path or route template, exactly (`/health`) or by their begin
   * (`/static/*`), or by a regular expression on the path. Default: none.
   */
  ignore?: readonly (string | RegExp)[] | undefined;
}

/** How an `HttpService` of the application is found: its class, or the string or symbol it is provided under. */
export type HttpServiceToken = Type<HttpService> | Abstract<HttpService> | string | symbol;

/**
 * Every option of one instance, complete and valid. The initializers are the defaults and the decorators the rules;
 * whatever breaks a rule stops the boot.
 *
 * "Variable" is the environment variable of the default instance. An instance named `billing` reads
 * `POSTHOG_BILLING_API_KEY` and so on, and never `POSTHOG_API_KEY`, so that no event reaches the wrong project.
 */
export class PostHogCaptureOptions {
  /**
   * The project API key, `phc_…`; a personal key (`phx_…`) is refused. Surrounding blanks are removed.
   * Required while `enabled`; empty only when disabled. Variable: `POSTHOG_API_KEY`.
   */
  @ValidateIf((options: PostHogCaptureOptions) => options.enabled || options.apiKey !== '')
  @IsProjectApiKey()
  readonly apiKey: string = '';

  /**
   * Where PostHog is: an absolute http(s) URL, with a path prefix if a reverse proxy needs one. PostHog Cloud's
   * app addresses stand for its ingestion addresses. Default: `https://us.posthog.com`. Variable: `POSTHOG_HOST`.
   */
  @IsHost()
  readonly host: string = 'https://us.posthog.com';

  /**
   * false makes the instance a silent, complete no-op that opens no socket and no timer and needs no key.
   * Default: true. Variable: `POSTHOG_ENABLED`.
   */
  @IsSwitch()
  readonly enabled: boolean = true;

  /**
   * PostHog's API: `v0` is `/batch/` and works with every server; `v1` answers for each event singly.
   * Default: `v0`. Variable: `POSTHOG_CAPTURE_MODE`.
   */
  @IsOneOf('v0', 'v1')
  readonly captureMode: 'v0' | 'v1' = 'v0';

  /**
   * So many waiting events are sent without waiting for `flushIntervalMs`: at once when they fill a request, and a few milliseconds later
   * when more may come. Fewer are sent at once when they take half of the room that the queue has left. At most `maxBatchEvents` go in one request, so a larger value only waits longer.
   * Default: 100. Variable: `POSTHOG_FLUSH_AT`.
   */
  @IsCount('events')
  readonly flushAt: number = 100;

  /** Longest wait of an event before it is sent, in milliseconds. Default: 1000. Variable: `POSTHOG_FLUSH_INTERVAL_MS`. */
  @IsDelay()
  readonly flushIntervalMs: number = 1000;

  /** Most events in one request. Default: 500. Variable: `POSTHOG_MAX_BATCH_EVENTS`. */
  @IsCount('events')
  readonly maxBatchEvents: number = 500;

  /**
   * Most bytes in one request, before compression. An event that is larger than this travels alone.
   * Default: 5 MiB. Variable: `POSTHOG_MAX_BATCH_BYTES`.
   */
  @IsCount('bytes')
  readonly maxBatchBytes: number = 5 * MIB;

  /**
   * A larger event, as JSON in UTF-8, is dropped as `too_large`. PostHog stores about 1 MB.
   * Default: 900 KiB. Variable: `POSTHOG_MAX_EVENT_BYTES`.
   */
  @IsCount('bytes')
  readonly maxEventBytes: number = 900 * KIB;

  /** Most events kept in memory; when full, the oldest not in flight is dropped. Default: 100 000. Variable: `POSTHOG_MAX_QUEUE_EVENTS`. */
  @IsCount('events')
  readonly maxQueueEvents: number = 100_000;

  /** Most bytes of events kept in memory; when full, the oldest not in flight is dropped. Default: 64 MiB. Variable: `POSTHOG_MAX_QUEUE_BYTES`. */
  @IsCount('bytes')
  readonly maxQueueBytes: number = 64 * MIB;

  /** Most requests in flight. Default: 4. Variable: `POSTHOG_CONCURRENCY`. */
  @IsCount('requests')
  readonly concurrency: number = 4;

  /** How request bodies are compressed: `gzip` at its quickest level, or `none`. Default: `gzip`. Variable: `POSTHOG_COMPRESSION`. */
  @IsOneOf('gzip', 'none')
  readonly compression: 'gzip' | 'none' = 'gzip';

  /** After so many milliseconds without an answer a request counts as failed. Default: 10 000. Variable: `POSTHOG_REQUEST_TIMEOUT_MS`. */
  @IsDelay(1)
  readonly requestTimeoutMs: number = 10_000;

  /**
   * How often a failed request is repeated before the instance cools down; 3 means at most 4 requests. The events
   * stay. Default: 3. Variable: `POSTHOG_MAX_RETRIES`.
   */
  @IsCount('retries', 0)
  readonly maxRetries: number = 3;

  /** Milliseconds before the first retry; they double from one to the next. Default: 1000. Variable: `POSTHOG_RETRY_BASE_MS`. */
  @IsDelay()
  readonly retryBaseMs: number = 1000;

  /**
   * Most milliseconds between two retries; a larger `retryBaseMs` is cut to it. A longer `Retry-After` becomes a
   * cool-down. Default: 30 000. Variable: `POSTHOG_RETRY_MAX_MS`.
   */
  @IsDelay()
  readonly retryMaxMs: number = 30_000;

  /**
   * Milliseconds without any request after the retries ran out or PostHog refused the key; one probe follows.
   * Default: 30 000. Variable: `POSTHOG_COOL_DOWN_MS`.
   */
  @IsDelay()
  readonly coolDownMs: number = 30_000;

  /** Events older than so many milliseconds are dropped as `expired`. Default: none expires. Variable: `POSTHOG_MAX_EVENT_AGE_MS`. */
  @IsOptionalAge()
  readonly maxEventAgeMs?: number;

  /**
   * Milliseconds that the shutdown may spend on sending what is left. It does so while PostHog, which answered before, is out of
   * reach and no store keeps everything; a PostHog that never answered gets one probe. 0 closes without sending.
   * Default: 10 000. Variable: `POSTHOG_SHUTDOWN_TIMEOUT_MS`.
   */
  @IsDelay()
  readonly shutdownTimeoutMs: number = 10_000;

  /**
   * Keeps PostHog from locating events by IP address: a backend's own is not the user's.
   * Default: true. Variable: `POSTHOG_DISABLE_GEOIP`.
   */
  @IsSwitch()
  readonly disableGeoip: boolean = true;

  /** Marks everything as an import of old events, which PostHog ingests apart. Default: false. Variable: `POSTHOG_HISTORICAL_MIGRATION`. */
  @IsSwitch()
  readonly historicalMigration: boolean = false;

  /** Opens a context per request and per message, which says who is acting. Default: true. Variable: `POSTHOG_CONTEXT`. */
  @IsSwitch()
  readonly context: boolean = true;

  /**
   * Takes person and session from the headers that posthog-js adds to requests, below everything that code says.
   * They are the client's word. Default: true. Variable: `POSTHOG_TRACING_HEADERS`.
   */
  @IsSwitch()
  readonly tracingHeaders: boolean = true;

  /**
   * What a request adds to its events; one of these, or a list. `route`: method, route template and user agent; `url`: these,
   * and path and URL without query; `ip`: the address of the client, as Express or Fastify make it out under their setting of
   * trusted proxies; `none`. Raw paths may carry secrets, such as the token of a password reset.
   * Default: `route`. Variable: `POSTHOG_REQUEST_PROPERTIES`, e.g. `route,ip`.
   */
  @IsSomeOf(...REQUEST_PROPERTY_SETS)
  readonly requestProperties: RequestPropertySet | readonly RequestPropertySet[] = 'route';

  /**
   * Keeps events until PostHog has answered for them, also beyond the end of the process: `lmdbEventStore({ path })` from
   * `nestjs-posthog-capture/lmdb`, or a store of your own; each instance needs one of its own. A text is the path of an LMDB
   * store. Default: none, events are in memory only. Variable: `POSTHOG_STORE_PATH`.
   */
  @IsOptionalStore()
  readonly store?: EventStore | string;

  /** Added to the properties of each event; those of the context and of the event win. Default: none. Code only. */
  @IsBag()
  readonly superProperties: Record<string, unknown> = {};

  /** Filters that see each event last, in this order. Default: none. Code only. */
  @IsOptionalBeforeSend()
  readonly beforeSend?: BeforeSend | BeforeSend[];

  /** Told of each event that will not arrive. What it throws is logged. Default: none. Code only. */
  @IsOptionalCallback()
  readonly onDrop?: (drop: EventDrop) => void;

  /** Told of each request that PostHog accepted. What it throws is logged. Default: none. Code only. */
  @IsOptionalCallback()
  readonly onDelivery?: (delivery: EventDelivery) => void;

  /**
   * Says who acts in a request or a message, from the user that the application's guards found. What code puts into an event or
   * the context wins; PostHog's tracing headers then give the session only. Default: none. Code only.
   */
  @IsOptionalIdentity()
  readonly identity?: Identity;

  /**
   * Axios settings (proxy, agents, …) for a private HttpService, or the token of an HttpService of the application, whose
   * interceptors then see the key. What PostHog's API needs always wins. Default: none; then, unless the environment names a
   * proxy, the same requests go through Node's own client, which costs less. Code only.
   */
  @IsOptionalHttp()
  readonly http?: AxiosRequestConfig | HttpServiceToken;

  /**
   * Captures one event per HTTP request, those that match no route or cannot be parsed included. true: `http_request`, all of
   * them. Default: false. Code only.
   */
  @IsRequestTracking()
  readonly requests: boolean | RequestTrackingOptions = false;

  /** Where warnings go. Default: Nest's `Logger`. Code only. */
  @IsOptionalLogger()
  readonly logger?: LoggerService;
}

/**
 * What an application passes to `forRoot`, or answers from `forRootAsync`: any of the options. An explicit `undefined`
 * is "not given". Text is understood as in a variable (`'false'`, `'50'`).
 */
export type PostHogCaptureModuleOptions = {
  -readonly [Option in keyof PostHogCaptureOptions]?: PostHogCaptureOptions[Option] | undefined;
};
