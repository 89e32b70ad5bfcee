import { type QueuedEvent } from '../delivery/delivery.js';
import { batchV0 } from './batch-v0.js';
import { eventsV1 } from './events-v1.js';
import { type WireFormat } from './wire-format.js';

const FORMATS: ReadonlyMap<string, WireFormat> = new Map([batchV0, eventsV1].map((format) => [format.mode, format]));

/** The format that events say they are written in. */
export function formatOf(mode: string): WireFormat {
  return FORMATS.get(mode) ?? batchV0;
}

/**
 * The same event in another format. A store may bring back what was captured before `captureMode` was changed, and it was
 * changed because the server does not speak the former one.
 */
export function reformat(event: QueuedEvent, format: WireFormat): QueuedEvent {
  if (event.format === format.mode) return event;
  try {
    const encoded = format.encode(formatOf(event.format).decode(JSON.parse(event.payload)));
    const payload = JSON.stringify(encoded);
    return { ...event, format: format.mode, payload, bytes: Buffer.byteLength(payload) };
  } catch {
    // Not what we wrote: the server may judge.
    return event;
  }
}
