import { createHash } from 'node:crypto';
import { uuidOf } from '../../shared/uuid-v5.js';

/** Namespace of the uuids of events with a `dedupeKey` (RFC 9562); a random uuid that never changes. */
const NAMESPACE = Buffer.from('b7c2f0d85a3e4f6c9d1e7a40c35b8e92', 'hex');

/** The project of an instance, without revealing its key. */
export const dedupeProjectOf = (apiKey: string): string => createHash('sha256').update(apiKey).digest('hex');

/**
 * The uuid of an event with a `dedupeKey`: the same in every process and version.
 *
 * @param person '' for an event without a person
 */
export function dedupeUuid(project: string, event: string, person: string, key: string): string {
  return uuidOf(NAMESPACE, JSON.stringify([project, event, person, key]));
}
