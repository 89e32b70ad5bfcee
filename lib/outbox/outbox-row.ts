import { CapturedEventOfGivenId } from '../delivery/captured-event.js';
import { type QueuedEvent } from '../delivery/delivery.js';
import { type Row } from './clients/client-shape.js';

const NAMES = ['seq', 'uuid', 'name', 'orderkey', 'format', 'payload', 'capturedat'];

/** Returns rows that contain these columns. Otherwise the client has changed their names, and all rows would seem to be damaged. */
function withColumns(rows: readonly Row[], names: readonly string[]): readonly Row[] {
  const [first] = rows;
  if (first && names.some((name) => first[name] === undefined))
    throw Object.assign(new Error('a column is missing'), { code: 'COLUMN_NAMES' });
  return rows;
}

/** @throws Error if columns are missing */
export const eventRows = (rows: readonly Row[]): readonly Row[] => withColumns(rows, NAMES);

/** @throws Error if there is no column `seq` */
export const seqsOf = (rows: readonly Row[]): string[] => withColumns(rows, ['seq']).map(seqOf);

/** `seq` of a row. Drivers return big integers as strings, numbers or bigints. */
export const seqOf = ({ seq }: Row): string => String(seq);

/** Returns null if the row was damaged: its payload must not spoil the request that it is a part of. */
export function eventOf({ uuid, name, orderkey, format, payload, capturedat }: Row): QueuedEvent | null {
  const capturedAt = Number(capturedat);
  if (typeof uuid !== 'string' || typeof name !== 'string' || typeof orderkey !== 'string') return null;
  if (typeof format !== 'string' || typeof payload !== 'string') return null;
  if (!Number.isSafeInteger(capturedAt) || !isObjectInJson(payload)) return null;
  return new CapturedEventOfGivenId(uuid, name, orderkey, format, payload, Buffer.byteLength(payload), capturedAt);
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
