/** Errors may quote at length what they were given. */
const MAX_LENGTH = 200;
/** More of a message is not looked at. */
const MAX_READ_LENGTH = 1000;
/** Errors within errors that are looked into. */
const MAX_DEPTH = 3;

/**
 * An error of a request in a few words for a log, without the key; never throws. The error itself must never be logged: axios puts the
 * request into it, with key and payload. The message of one that has no `code` is not shown either: it is neither Node's nor axios' but
 * of code in between (an interceptor, an adapter), which may quote what it was given.
 */
export function describeError(error: unknown, secret: string): string {
  const text = carefully(() => messageOf(error, MAX_DEPTH)) || carefully(() => nameOf(error)) || 'unknown error';
  return withoutSecret(text, secret);
}

/** What a store says in an error, without the key, and not where it quotes an event; never throws. */
export function describeStoreError(
  error: unknown,
  secret: string,
  events: Iterable<{ readonly payload: string }>,
): string {
  const said = carefully(() => {
    const { message } = Object(error) as { message?: unknown };
    return typeof message === 'string' ? message.slice(0, MAX_READ_LENGTH) : '';
  });
  const payloads = Array.from(events, ({ payload }) => payload);
  return quotes(said, payloads) ? 'its words quote an event' : withoutSecret(said, secret) || 'unknown error';
}

/** The words of somebody else, cut, without the key. */
export function withoutSecret(text: string, secret: string): string {
  return text.replaceAll(secret, '***').slice(0, MAX_LENGTH);
}

/** Read by name and not by instanceof: Node's own errors may come from another realm. */
function messageOf(error: unknown, depth: number): string {
  if (typeof error !== 'object' || error === null || depth === 0) return '';
  const { code, message, cause, errors } = error as Partial<Record<'code' | 'message' | 'cause' | 'errors', unknown>>;
  const name = typeof code === 'string' ? code : '';
  if (name !== '' && typeof message === 'string' && message !== '') {
    return message.includes(name) ? message : `${message} (${name})`;
  }
  // A host with several addresses fails once per address, in an error without a message of its own.
  const inner: unknown[] = Array.isArray(errors) ? errors.slice(0, MAX_DEPTH) : [cause];
  const messages = inner.map((one) => messageOf(one, depth - 1)).filter(Boolean);
  return messages.join(', ') || name;
}

function nameOf(error: unknown): string {
  const { name } = Object(error) as { name?: unknown };
  return typeof name === 'string' && /^\w{1,40}$/.test(name) ? `${name} of an interceptor or adapter` : '';
}

/** Whatever was thrown may throw in turn when it is looked at. */
function carefully(read: () => string): string {
  try {
    return read();
  } catch {
    return '';
  }
}

/** Shorter values are words that may stand in any sentence. */
const MIN_LENGTH = 8;
/** Of a longer value a part of this length gives it away. */
const PART_LENGTH = 12;

/**
 * Whether a text quotes what stands in events: a value of a property, or a part of a long one. What a server or a store says goes into
 * the log, and may be about the very event it was given.
 *
 * @param payloads events as JSON
 */
export function quotes(text: string, payloads: Iterable<string>): boolean {
  const parts: string[] = [];
  for (let at = 0; at + PART_LENGTH <= text.length; at += PART_LENGTH / 2) parts.push(text.slice(at, at + PART_LENGTH));
  const isQuoted = (value: string): boolean =>
    value.length >= MIN_LENGTH && (text.includes(value) || parts.some((part) => value.includes(part)));
  for (const payload of payloads) if (valuesOf(payload).some(isQuoted)) return true;
  return false;
}

/** Every text and number in an event but its name, which is no secret. */
function valuesOf(payload: string): string[] {
  const values: string[] = [];
  try {
    JSON.parse(payload, (name, value: unknown) => {
      if (name !== 'event' && (typeof value === 'string' || typeof value === 'number')) values.push(String(value));
      return value;
    });
  } catch {
    // Not JSON, so not ours: all of it may be a secret.
    values.push(payload);
  }
  return values;
}
