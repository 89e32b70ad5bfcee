import { type EventClass } from './defined-event.js';
import { type EventDefinition } from './define-event.js';
import { type PiiMode } from './personal-data.js';

/** A result of `defineEvent`, or a class with `@Event`. */
export type CatalogEntry = Pick<EventDefinition, 'eventName' | 'schema' | 'info'> | EventClass;

/** Option `events`. */
export interface EventsOptions {
  /** All events of the application. They are checked against their definition even if they are captured by their name. Default: none. */
  readonly catalog?: readonly CatalogEntry[] | undefined;
  /**
   * Events that are not in the catalog: `allow`, `warn` or `refuse` (they are dropped as `schema`). PostHog's own events (`$…`) are always
   * allowed. Default: `allow` without a catalog; with one, `refuse` where NODE_ENV is `development` or `test` or where CI is set, and `warn`
   * elsewhere. Variable: `POSTHOG_EVENTS_UNKNOWN`.
   */
  readonly unknown?: 'allow' | 'warn' | 'refuse' | undefined;
  /**
   * Events whose properties break their definition: `warn` (they are sent as they are) or `refuse` (they are dropped as `schema`). Default:
   * `refuse` where NODE_ENV is `development` or `test` or where CI is set, and `warn` elsewhere. Variable: `POSTHOG_EVENTS_INVALID`.
   */
  readonly invalid?: 'warn' | 'refuse' | undefined;
  /**
   * Properties that a definition marks as `pii`, before `beforeSend`: `keep`, `hash` (32 hex digits of the HMAC-SHA-256 of the value, with
   * `piiSecret`) or `drop`. Default: `keep`. Variable: `POSTHOG_EVENTS_PII`.
   */
  readonly pii?: PiiMode | undefined;
  /** The secret of `pii: 'hash'`. Required there. Equal values have equal hashes while it stays the same. Variable: `POSTHOG_EVENTS_PII_SECRET`. */
  readonly piiSecret?: string | undefined;
}
