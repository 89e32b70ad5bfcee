/** Errors may quote at length what they were given. */
const MAX_LENGTH = 200;

/**
 * An error in a few words for a log: its message, or those of the errors inside it, without the key. The error itself
 * must never be logged: axios puts the request into it, with key and payload.
 */
export function describeError(error: unknown, secret: string): string {
  const text = messageOf(error) || 'unknown error';
  return text.replaceAll(secret, '***').slice(0, MAX_LENGTH);
}

/** Read by name and not by instanceof: Node's own errors may come from another realm. */
function messageOf(error: unknown): string {
  if (typeof error !== 'object' || error === null) return '';
  const { code, message, cause, errors } = error as Partial<Record<'code' | 'message' | 'cause' | 'errors', unknown>>;
  const name = typeof code === 'string' ? code : '';
  if (typeof message === 'string' && message !== '') return message.includes(name) ? message : `${message} (${name})`;
  // A host with several addresses fails once per address, in an error without a message of its own.
  const inner: unknown[] = Array.isArray(errors) ? errors : [cause];
  return inner.map(messageOf).filter(Boolean).join(', ') || name;
}
