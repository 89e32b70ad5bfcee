import { type Readable } from 'node:stream';
import { types } from 'node:util';

/** The part of the process that a command may use. */
export interface Terminal {
  /** Standard input. Accessed only by commands that read it. */
  readonly input: Readable;
  /** Writes to standard output: results only. */
  readonly out: (text: string) => void;
  /** Writes to standard error: diagnostics. */
  readonly err: (text: string) => void;
  /** Standard error is a terminal, where a line can be overwritten. */
  readonly interactive: boolean;
  /** Width of standard output in characters. */
  readonly columns: number;
  /** Width of standard error in characters. */
  readonly errColumns: number;
  /** Aborted when the command must stop. */
  readonly signal: AbortSignal;
}

/** Exit codes. Scripts rely on them. */
export const EXIT = {
  /** PostHog accepted the event. */
  ok: 0,
  /** PostHog refused the event or could not be reached. */
  failed: 1,
  /** Wrong usage: nothing was sent. */
  usage: 2,
  /** Interrupted by Ctrl-C or a signal. The code that shells use for SIGINT. */
  interrupted: 130,
} as const;

export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

export function messageOf(error: unknown): string {
  return types.isNativeError(error) ? error.message : String(error);
}

/** Wrong usage. The message is one line with the problem and the remedy. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Control and format characters, line separators and lone surrogates: they can move the cursor, or colour or reorder text. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

/** Makes untrusted text safe for one line of a terminal: control characters become escape sequences such as `\u001b`. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, (character) => {
    const code = (character.codePointAt(0) ?? 0).toString(16);
    return code.length > 4 ? `\\u{${code}}` : `\\u${code.padStart(4, '0')}`;
  });
}

/** Shortens text to `length` characters, with `…` at the end. */
export function cut(text: string, length: number): string {
  // A character has at most two UTF-16 units, so most of a long text can be skipped.
  const characters = Array.from(text.slice(0, (length + 1) * 2));
  return characters.length > length ? `${characters.slice(0, Math.max(0, length - 1)).join('')}…` : text;
}
