import { CapturedEventOfGivenId } from '../delivery/captured-event.js';
import { type QueuedEvent } from '../delivery/delivery.js';
import { type Row } from './clients/client-shape.js';

/** `seq` of a row. Drivers return big integers as strings, numbers or bigints. */
export const seqOf = ({ seq }: Row): string => String(seq);

/** Returns null if the row was damaged: its payload must not spoil the request that it is a part of. */
export function eventOf({ uuid, name, order_key, format, payload, captured_at }: Row): QueuedEvent | null {
  const capturedAt = Number(captured_at);
  if (typeof uuid !== 'string' || typeof name !== 'string' || typeof order_key !== 'string') return null;
  if (typeof format !== 'string' || typeof payload !== 'string') return null;
  if (!Number.isSafeInteger(capturedAt) || !isObjectInJson(payload)) return null;
  return new CapturedEventOfGivenId(uuid, name, order_key, format, payload, Buffer.byteLength(payload), capturedAt);
}

function isObjectInJson(text: string): boolean {
  if (!text.startsWith('{')) return false;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
