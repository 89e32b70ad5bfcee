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

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return '';
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  if (error.message) return code && !error.message.includes(code) ? `${error.message} (${code})` : error.message;
  // A host with several addresses fails once per address, in an error without a message of its own.
  const inner: unknown[] = error instanceof AggregateError ? error.errors : [error.cause];
  return inner.map(messageOf).filter(Boolean).join(', ') || code;
}
