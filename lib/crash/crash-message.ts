import { type QueuedEvent } from '../delivery/delivery.js';

/** The settings of an instance that the child process needs. */
export interface CrashSettings {
  /** PostHog's ingestion address. */
  readonly host: string;
  readonly apiKey: string;
  readonly compression: 'gzip' | 'none';
  readonly historicalMigration: boolean;
  readonly maxBatchEvents: number;
  readonly maxBatchBytes: number;
  readonly concurrency: number;
  /** The part of option `http` that JSON can represent. */
  readonly http?: Readonly<Record<string, unknown>> | undefined;
}

/** The events of one instance. */
export interface CrashDelivery {
  readonly settings: CrashSettings;
  readonly events: readonly QueuedEvent[];
  /** Id of the event that is sent before all others: the crash. */
  readonly first: string | null;
}

interface Head {
  readonly settings: CrashSettings;
  readonly first: string | null;
  readonly count: number;
}

/** The fields of an event besides its payload, and the bytes of the payload. */
type EventHead = [id: string, name: string, orderKey: string, format: string, capturedAt: number, bytes: number];

const NEWLINE = 10;

/**
 * Writes the message for the child process: a line with the settings, then for each event a line and its payload. One buffer, as there may be
 * little memory left: strings are in the heap, buffers are not.
 */
export function encodeCrash(deliveries: readonly CrashDelivery[]): Buffer {
  const heads = deliveries.map(({ settings, first, events }): Head => ({ settings, first, count: events.length }));
  const parts = [`${JSON.stringify(heads)}\n`];
  for (const { id, name, orderKey, format, capturedAt, payload } of deliveries.flatMap(({ events }) => events)) {
    const head: EventHead = [id, name, orderKey, format, capturedAt, Buffer.byteLength(payload)];
    parts.push(`${JSON.stringify(head)}\n`, payload);
  }
  const length = parts.reduce((sum, part) => sum + Buffer.byteLength(part), 0);
  const message = Buffer.allocUnsafe(length);
  let end = 0;
  for (const part of parts) end += message.write(part, end);
  return message;
}

/** Throws if the message is incomplete. */
export function decodeCrash(message: Buffer): readonly CrashDelivery[] {
  let at = 0;
  const readLine = (): unknown => {
    const end = message.indexOf(NEWLINE, at);
    const line = message.toString('utf8', at, end);
    at = end + 1;
    return JSON.parse(line);
  };
  const readEvent = (): QueuedEvent => {
    const [id, name, orderKey, format, capturedAt, bytes] = readLine() as EventHead;
    const payload = message.toString('utf8', at, at + bytes);
    at += bytes;
    return { id, name, orderKey, format, payload, bytes, capturedAt };
  };
  const heads = readLine() as Head[];
  return heads.map(({ settings, first, count }) => ({
    settings,
    first,
    events: Array.from({ length: count }, readEvent),
  }));
}

/** Positions of events that were delivered: the index of their delivery, and their indices in it. */
type Delivered = [delivery: number, events: readonly number[]];

/** A line that the child process writes for the events of a request that were delivered. */
export const encodeDelivered = (...delivered: Delivered): string => `${JSON.stringify(delivered)}\n`;

/** The events that the child process has reported as delivered, by delivery. The last line may be incomplete. */
export function decodeDelivered(
  output: string,
  deliveries: readonly CrashDelivery[],
): readonly ReadonlySet<QueuedEvent>[] {
  const delivered = deliveries.map(() => new Set<QueuedEvent>());
  for (const line of output.split('\n').slice(0, -1)) {
    const [at, indices] = JSON.parse(line) as Delivered;
    for (const index of indices) {
      const event = deliveries[at]?.events[index];
      if (event) delivered[at]?.add(event);
    }
  }
  return delivered;
}
