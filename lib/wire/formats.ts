import { type QueuedEvent } from '../delivery/delivery.js';
import { batchV0 } from './batch-v0.js';
import { eventsV1 } from './events-v1.js';
import { type WireFormat } from './wire-format.js';

const FORMATS: ReadonlyMap<string, WireFormat> = new Map([batchV0, eventsV1].map((format) => [format.mode, format]));

/** @param mode `captureMode`, or the `format` of a stored event */
export function formatOf(mode: string): WireFormat {
  return FORMATS.get(mode) ?? batchV0;
}

/**
 * Converts an event to another format. A store may return events that were captured with another `captureMode`, which the server may
 * not support.
 */
export function reformat(event: QueuedEvent, format: WireFormat): QueuedEvent {
  if (event.format === format.mode) return event;
  try {
    const encoded = format.encode(formatOf(event.format).decode(JSON.parse(event.payload)));
    const payload = JSON.stringify(encoded);
    return { ...event, format: format.mode, payload, bytes: Buffer.byteLength(payload) };
  } catch {
    // Not written by this package: the server decides.
    return event;
  }
}
