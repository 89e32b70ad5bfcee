import { type Batch, type BatchOutcome } from '../delivery/delivery.js';
import { type PostHogEvent } from './posthog-event.js';

export const CAPTURE_MODES = ['v0', 'v1'] as const satisfies readonly CaptureMode[];

/** PostHog's capture APIs: see option `captureMode`. */
export type CaptureMode = 'v0' | 'v1';

export interface RequestContext {
  readonly apiKey: string;
  readonly historicalMigration: boolean;
  /** Starts at 1 for each batch id. */
  readonly attempt: number;
  /** Start of this attempt, RFC 3339 in UTC. */
  readonly sentAt: string;
}

/** An HTTP POST before compression, without the headers that all formats share. */
export interface WireRequest {
  /** With a leading slash. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Requests and responses of one capture API. Pure: no I/O, no clock. */
export interface WireFormat {
  readonly mode: CaptureMode;
  /** Returns a value for JSON. The input is not changed. */
  encode(event: PostHogEvent): object;
  /** Reverses `encode`. Throws if the value is not a result of `encode`. */
  decode(encoded: unknown): PostHogEvent;
  /** Payloads are inserted unchanged. */
  request(batch: Batch, context: RequestContext): WireRequest;
  /** Determines the result of each event after a 2xx. `body` is '' if it could not be read. */
  interpret(body: string, batch: Batch, retryAfterMs: number | undefined): BatchOutcome;
}

/** The elements of a JSON array, without its brackets. */
export function joinPayloads(batch: Batch): string {
  return batch.events.map((event) => event.payload).join(',');
}
