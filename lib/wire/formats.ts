import { CapturedEvent, CapturedEventOfGivenId } from '../delivery/captured-event.js';
import { type QueuedEvent } from '../delivery/delivery.js';
import { aiBatchV0, aiEventsV1 } from './ai-events.js';
import { batchV0 } from './batch-v0.js';
import { eventsV1 } from './events-v1.js';
import { type CaptureMode, type WireFormat } from './wire-format.js';

const FORMATS: ReadonlyMap<string, WireFormat> = new Map(
  [batchV0, eventsV1, aiBatchV0, aiEventsV1].map((format) => [format.name, format]),
);

/** Names of the formats that events can be read in. */
export const FORMAT_NAMES: readonly string[] = [...FORMATS.keys()];

/** @param name `captureMode`, or the `format` of a stored event */
export function formatOf(name: string): WireFormat {
  return FORMATS.get(name) ?? batchV0;
}

export function aiFormatOf(mode: CaptureMode): WireFormat {
  return formatOf(`ai-${mode}`);
}

/** True if the event is sent to PostHog's endpoint for AI events. */
export const isAiEvent = ({ format }: Pick<QueuedEvent, 'format'>): boolean => format.startsWith('ai-');

/**
 * Converts an event to another format. A store may return events that were captured with another `captureMode`, which the server may
 * not support.
 */
export function reformat(event: QueuedEvent, format: WireFormat): QueuedEvent {
  if (event.format === format.name) return event;
  try {
    const encoded = format.encode(formatOf(event.format).decode(JSON.parse(event.payload)));
    const payload = JSON.stringify(encoded);
    const { id, name, orderKey, capturedAt, hasOwnId = false } = event;
    const Captured = hasOwnId ? CapturedEvent : CapturedEventOfGivenId;
    return new Captured(id, name, orderKey, format.name, payload, Buffer.byteLength(payload), capturedAt);
  } catch {
    // Not written by this package: the server decides.
    return event;
  }
}
