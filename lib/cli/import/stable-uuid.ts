import { createHash } from 'node:crypto';

/** Of this package's imports, so that nobody else's name-based uuids are the same. Any uuid would do. */
const NAMESPACE = Buffer.from('6f1d3c1e9a4b4c57b0a2e8d47f3b9c15', 'hex');

/**
 * The uuid of a line: version 5 (RFC 9562), so the same each time that the same file is imported. Nothing of the file itself is in it,
 * neither name nor size: whoever corrects some lines, or adds to them, imports the others once.
 */
export function stableUuid(line: { readonly number: number; readonly text: string }): string {
  const digest = createHash('sha1').update(NAMESPACE).update(`${line.number}:${line.text}`).digest('hex');
  const variant = '89ab'.charAt(Number.parseInt(digest.charAt(16), 16) & 3);
  return `${digest.slice(0, 8)}-${digest.slice(8, 12)}-5${digest.slice(13, 16)}-${variant}${digest.slice(17, 20)}-${digest.slice(20, 32)}`;
}
