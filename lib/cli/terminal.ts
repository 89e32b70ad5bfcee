import { type Readable } from 'node:stream';
import { types } from 'node:util';

/** What a command sees of the process that it runs in. */
export interface Terminal {
  /** Standard input. Touched only by a command that reads it. */
  readonly input: Readable;
  /** Writes to standard output: answers, nothing else. */
  readonly out: (text: string) => void;
  /** Writes to standard error: diagnostics. */
  readonly err: (text: string) => void;
  /** Whether standard error is looked at by a person, so that a line may be written over. */
  readonly interactive: boolean;
  /** Characters that fit into one line of standard output. */
  readonly columns: number;
  /** Characters that fit into one line of standard error. */
  readonly errColumns: number;
  /** Aborted when the command is to end. */
  readonly signal: AbortSignal;
}

/** Exit codes that scripts may rely on. */
export const EXIT = {
  /** PostHog has the event. */
  ok: 0,
  /** PostHog refused the event or could not be reached. */
  failed: 1,
  /** Wrong usage: nothing was sent. */
  usage: 2,
  /** Ended by Ctrl-C or a signal before there was an answer; the code that shells give SIGINT. */
  interrupted: 130,
} as const;

/** What is said about something that was thrown: Node's own errors have good messages. */
export function messageOf(error: unknown): string {
  return types.isNativeError(error) ? error.message : String(error);
}

/** Wrong usage, said in one line that names what is wrong and the remedy. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Control and format characters, line separators and lone surrogates: whatever moves a cursor, colours or reorders text. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

/** Text from outside on one line of a terminal: what could take control of the terminal is written as an escape. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, (character) => {
    const code = (character.codePointAt(0) ?? 0).toString(16);
    return code.length > 4 ? `\\u{${code}}` : `\\u${code.padStart(4, '0')}`;
  });
}

/** Cuts text to a number of characters; a cut one ends in `…`. */
export function cut(text: string, length: number): string {
  // No character takes more than two UTF-16 units: only so much of a huge text needs to be looked at.
  const characters = Array.from(text.slice(0, (length + 1) * 2));
  return characters.length > length ? `${characters.slice(0, Math.max(0, length - 1)).join('')}…` : text;
}
