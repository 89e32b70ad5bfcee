import { PassThrough, Readable } from 'node:stream';
import { type Terminal } from '../../lib/cli/terminal.js';
import { watch } from './secrets.js';

/** A terminal with given input that keeps its output. */
export class ScriptedTerminal implements Terminal {
  stdout = '';
  stderr = '';
  readonly columns: number;
  readonly errColumns: number;
  readonly interactive: boolean;
  readonly input: Readable;
  readonly #interruption = new AbortController();
  readonly #waiting = new Set<() => void>();

  /** @param input the standard input; null: it stays open without data */
  constructor({
    input = '',
    columns = 200,
    interactive = false,
  }: { input?: string | null; columns?: number; interactive?: boolean } = {}) {
    this.input = input === null ? new PassThrough() : Readable.from([Buffer.from(input)], { objectMode: false });
    this.columns = columns;
    this.errColumns = columns;
    this.interactive = interactive;
  }

  readonly out = (text: string): void => {
    watch('standard output', text);
    this.stdout += text;
    for (const look of this.#waiting) look();
  };

  readonly err = (text: string): void => {
    watch('standard error', text);
    this.stderr += text;
    for (const look of this.#waiting) look();
  };

  get signal(): AbortSignal {
    return this.#interruption.signal;
  }

  interrupt(): void {
    this.#interruption.abort();
  }

  /** Resolves as soon as standard output contains `text`. */
  printed(text: string): Promise<void> {
    return this.#until(() => this.stdout.includes(text));
  }

  /** Resolves as soon as standard error contains `text`. */
  printedError(text: string): Promise<void> {
    return this.#until(() => this.stderr.includes(text));
  }

  #until(isPrinted: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const look = (): void => {
        if (!isPrinted()) return;
        this.#waiting.delete(look);
        resolve();
      };
      this.#waiting.add(look);
      look();
    });
  }
}
