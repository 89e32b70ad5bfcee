import { createHash } from 'node:crypto';

/** A uuid of version 5 (RFC 9562): the same for the same namespace and text. */
export function uuidOf(namespace: Uint8Array, text: string): string {
  const digest = createHash('sha1').update(namespace).update(text).digest('hex');
  const variant = '89ab'.charAt(Number.parseInt(digest.charAt(16), 16) & 3);
  return `${digest.slice(0, 8)}-${digest.slice(8, 12)}-5${digest.slice(13, 16)}-${variant}${digest.slice(17, 20)}-${digest.slice(20, 32)}`;
}
