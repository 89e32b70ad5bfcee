import { createHash } from 'node:crypto';

/** Namespace of the uuids of this command (RFC 9562); a random uuid. */
const NAMESPACE = Buffer.from('6f1d3c1e9a4b4c57b0a2e8d47f3b9c15', 'hex');

/** A version 5 uuid (RFC 9562): the same for the same text. */
export function stableUuid(text: string): string {
  const digest = createHash('sha1').update(NAMESPACE).update(text).digest('hex');
  const variant = '89ab'.charAt(Number.parseInt(digest.charAt(16), 16) & 3);
  return `${digest.slice(0, 8)}-${digest.slice(8, 12)}-5${digest.slice(13, 16)}-${variant}${digest.slice(17, 20)}-${digest.slice(20, 32)}`;
}
