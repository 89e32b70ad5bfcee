/** Where a command reads and writes: the process's own streams, or a test's. */
export interface Terminal {
  readonly stdin: AsyncIterable<Uint8Array | string>;
  out(text: string): void;
  err(text: string): void;
}

/** A mistake in how a command was called. Its message is one line that names the field and the remedy. */
export class UsageError extends Error {}

/** Exit codes of all commands. */
export const EXIT = { ok: 0, failed: 1, usage: 2 } as const;

/** The terminal of this process. A reader that went away (EPIPE) is no error of ours. */
export function processTerminal(): Terminal {
  process.stdout.on('error', () => undefined);
  return {
    stdin: process.stdin,
    out: (text) => void process.stdout.write(`${text}\n`),
    err: (text) => void process.stderr.write(`${text}\n`),
  };
}

/** Text that somebody else wrote, on one line and without anything that a terminal would obey. */
export function printable(text: string, maxLength = 200): string {
  const safe = text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '\uFFFD');
  return safe.length > maxLength ? `${safe.slice(0, maxLength - 1)}…` : safe;
}

/** What an error of Node's says about itself. Not by instanceof: such errors may come from another realm. */
export function errorText(error: unknown, field: 'code' | 'message'): string {
  if (typeof error !== 'object' || error === null) return '';
  const text = (error as Partial<Record<string, unknown>>)[field];
  return typeof text === 'string' ? text : '';
}
