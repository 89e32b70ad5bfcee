import { uuidOf } from '../../shared/uuid-v5.js';

/** Namespace of the uuids of this command (RFC 9562); a random uuid. */
const NAMESPACE = Buffer.from('6f1d3c1e9a4b4c57b0a2e8d47f3b9c15', 'hex');

/** A version 5 uuid: the same for the same text. */
export const stableUuid = (text: string): string => uuidOf(NAMESPACE, text);
