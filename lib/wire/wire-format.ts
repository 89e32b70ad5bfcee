import { recordedBody } from '../delivery/recorded-event.js';
import { type Batch, type BatchOutcome } from '../delivery/delivery.js';
import { type HttpResponse } from './http-client.js';
import { type PostHogEvent } from './posthog-event.js';
import { type RemedyNames } from './status-table.js';

export const CAPTURE_MODES = ['v0', 'v1'] as const satisfies readonly CaptureMode[];

/** PostHog's capture APIs: see option `captureMode`. */
export type CaptureMode = 'v0' | 'v1';

/** Identifies a format in stored events. `ai-`: that of PostHog's endpoint for AI events. */
export type FormatName = CaptureMode | `ai-${CaptureMode}`;

export interface RequestContext {
  readonly apiKey: string;
  readonly historicalMigration: boolean;
  /** Starts at 1 for each batch id. */
  readonly attempt: number;
  /** Start of this attempt, RFC 3339 in UTC. */
  readonly sentAt: string;
}

export interface ResponseContext {
  /** Value of `Retry-After`. */
  readonly retryAfterMs: number | undefined;
  readonly names: RemedyNames;
}

/** An HTTP POST before compression, without the headers that all formats share. */
export interface WireRequest {
  /** With a leading slash. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Buffer;
}

/** Requests and responses of one capture API. Pure: no I/O, no clock. */
export interface WireFormat {
  readonly name: FormatName;
  /** Used if the server does not have the endpoint of this format. Payloads are the same. */
  readonly substitute?: WireFormat;
  /** Returns a value for JSON. The input is not changed. */
  encode(event: PostHogEvent): object;
  /** Reverses `encode`. Throws if the value is not a result of `encode`. */
  decode(encoded: unknown): PostHogEvent;
  /** Payloads are inserted unchanged. */
  request(batch: Batch, context: RequestContext): WireRequest;
  /** Determines the result of each event after a 2xx, which may not be from PostHog. */
  interpret(response: HttpResponse, batch: Batch, context: ResponseContext): BatchOutcome;
}

/**
 * A body with the payloads as the elements of a JSON array.
 *
 * @param head what precedes the first payload
 * @param tail what follows the last one
 */
export function bodyOf(head: string, { events }: Batch, tail: string): string | Buffer {
  return recordedBody(head, events, tail) ?? head + events.map((event) => event.payload).join(',') + tail;
}
