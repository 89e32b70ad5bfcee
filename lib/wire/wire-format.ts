import { type Batch, type BatchOutcome } from '../delivery/delivery.js';
import { type PostHogEvent } from './posthog-event.js';

/** The names of the formats, as option `captureMode` and queued events carry them. */
export type CaptureMode = 'v0' | 'v1';

/** Who sends, and when: what a request says besides its events. */
export interface RequestContext {
  readonly apiKey: string;
  readonly historicalMigration: boolean;
  /** 1, 2, 3 … per batch id. */
  readonly attempt: number;
  /** RFC 3339 UTC, of this attempt. */
  readonly sentAt: string;
}

/** One HTTP POST, before compression. Headers that every request has (User-Agent, encoding) come later. */
export interface WireRequest {
  /** Below the host, with a leading slash. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** How PostHog wants events, and what its answers mean. Pure: no I/O, no clock. */
export interface WireFormat {
  readonly mode: CaptureMode;
  /** The event as this format writes it, ready for JSON. The input is not changed. */
  encode(event: PostHogEvent): object;
  /** What `encode` was given, from what it made of it. Throws when it is something else. */
  decode(encoded: unknown): PostHogEvent;
  /** The request that carries a batch; the payloads are put in as they are. */
  request(batch: Batch, context: RequestContext): WireRequest;
  /** What a 2xx means for each event of the batch. `body` is '' when it could not be read. */
  interpret(body: string, batch: Batch, retryAfterMs: number | undefined): BatchOutcome;
}

/** The batch's payloads as the text between the brackets of a JSON array. */
export function joinPayloads(batch: Batch): string {
  return batch.events.map((event) => event.payload).join(',');
}
