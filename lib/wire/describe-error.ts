import { escapeControls } from '../shared/escape-controls.js';

/** Longer messages are cut: errors may quote their input at length. */
const MAX_LENGTH = 200;
/** The rest of a longer message is ignored. */
const MAX_READ_LENGTH = 1000;
/** Maximum depth of nested errors. */
const MAX_DEPTH = 3;

/**
 * Describes a failed request for a log, without the key; never throws. The error itself must never be logged: axios adds the request to
 * it, with key and payload. The message of an error without a `code` is not used: it comes neither from Node nor from axios but from an
 * interceptor or adapter, and may quote the request.
 */
export function describeError(error: unknown, secret: string): string {
  const text = attempt(() => messageOf(error, MAX_DEPTH)) || attempt(() => nameOf(error)) || 'unknown error';
  return withoutSecret(text, secret);
}

/** Describes an error of a store, without the key, and without its message if that quotes one of the events; never throws. */
export function describeStoreError(
  error: unknown,
  secret: string,
  events: Iterable<{ readonly payload: string }>,
): string {
  const text = attempt(() => {
    const { message } = Object(error) as { message?: unknown };
    return typeof message === 'string' ? message.slice(0, MAX_READ_LENGTH) : '';
  });
  const payloads = Array.from(events, ({ payload }) => payload);
  if (quotes(text, payloads)) return 'the message is not shown because it quotes an event';
  return withoutSecret(text, secret) || 'unknown error';
}

/** The first 200 characters, trimmed, with the secret masked and control characters escaped. The secret may be empty. */
export function withoutSecret(text: string, secret: string): string {
  // OpenSSL's messages end with a line break.
  const read = text.slice(0, MAX_READ_LENGTH).trim();
  return escapeControls(secret === '' ? read : read.replaceAll(secret, '***')).slice(0, MAX_LENGTH);
}

/** Reads fields instead of using instanceof, because Node's errors may come from another realm. */
function messageOf(error: unknown, depth: number): string {
  if (typeof error !== 'object' || error === null || depth === 0) return '';
  const { code, message, cause, errors } = error as Partial<Record<'code' | 'message' | 'cause' | 'errors', unknown>>;
  const name = typeof code === 'string' ? code : '';
  if (name !== '' && typeof message === 'string' && message !== '') {
    return message.includes(name) ? message : `${message} (${name})`;
  }
  // A host with several addresses fails once per address, in an AggregateError without a message.
  const inner: unknown[] = Array.isArray(errors) ? errors.slice(0, MAX_DEPTH) : [cause];
  const messages = inner.map((one) => messageOf(one, depth - 1)).filter(Boolean);
  return messages.join(', ') || name;
}

function nameOf(error: unknown): string {
  const { name } = Object(error) as { name?: unknown };
  return typeof name === 'string' && /^\w{1,40}$/.test(name) ? `${name} of an interceptor or adapter` : '';
}

/** Reading a thrown value may throw in turn. */
function attempt(read: () => string): string {
  try {
    return read();
  } catch {
    return '';
  }
}

/** Shorter values are common words, which any sentence may contain. */
const MIN_QUOTED_LENGTH = 8;
/** A part of this length is enough to reveal a longer value. */
const PART_LENGTH = 12;

/**
 * Detects whether a message quotes a value of an event, or a part of a long one. Messages of servers and stores are logged, and may
 * quote events.
 *
 * @param payloads events as JSON
 */
export function quotes(text: string, payloads: Iterable<string>): boolean {
  const parts: string[] = [];
  for (let at = 0; at + PART_LENGTH <= text.length; at += PART_LENGTH / 2) parts.push(text.slice(at, at + PART_LENGTH));
  const isQuoted = (value: string): boolean =>
    value.length >= MIN_QUOTED_LENGTH && (text.includes(value) || parts.some((part) => value.includes(part)));
  for (const payload of payloads) if (valuesOf(payload).some(isQuoted)) return true;
  return false;
}

/** All strings and numbers of an event except its name, which is not secret. */
function valuesOf(payload: string): string[] {
  const values: string[] = [];
  try {
    JSON.parse(payload, (name, value: unknown) => {
      if (name !== 'event' && (typeof value === 'string' || typeof value === 'number')) values.push(String(value));
      return value;
    });
  } catch {
    // Not JSON, so not an event: all of it may be secret.
    values.push(payload);
  }
  return values;
}
