import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type CompiledLib } from './compiled-lib.js';
import { KEY, PATIENT } from './harness.js';

const CHILD = fileURLToPath(new URL('./child.mjs', import.meta.url));

export interface Child {
  readonly process: ChildProcess;
  /** Lines of standard output. */
  readonly lines: string[];
  /** Lines of standard error. */
  readonly warnings: string[];
  /** Resolves after the first line of standard output, or when the process has exited. */
  readonly ready: Promise<unknown>;
  readonly ended: Promise<unknown>;
  /** Uuids of captured events, printed at the end of the turn. */
  captured(): string[];
  /** Uuids of dropped events. */
  dropped(): string[];
  /** Resolves when standard output has at least this number of lines, or when the process has exited. */
  said(lines: number): Promise<void>;
}

export interface ChildOptions {
  readonly lib: CompiledLib;
  /** `capture`: captures until SIGTERM, or `captures` events. `drain`: sends recovered events and prints the stats. `flood`: captures `flood` events, with `text` as a property. */
  readonly task: 'capture' | 'drain' | 'flood';
  /** Options of the module. `storeOptions` are those of the store; default: no store. */
  readonly options: object;
  readonly nodeFlags?: readonly string[];
  /** Shell commands to run first, e.g. `ulimit`. */
  readonly limits?: string;
}

/** The child processes of one test. */
export class Children {
  readonly #running: ChildProcess[] = [];

  start({ lib, task, options, nodeFlags = [], limits = '' }: ChildOptions): Child {
    const all = {
      apiKey: KEY,
      flushAt: 20,
      flushIntervalMs: 5,
      retryBaseMs: 4,
      retryMaxMs: 20,
      coolDownMs: 20,
      ...PATIENT,
      ...options,
    };
    const command = [process.execPath, ...nodeFlags, CHILD, lib.path, task, JSON.stringify(all)];
    const child = spawn('sh', ['-c', `${limits} exec "$@"`, 'sh', ...command], { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#running.push(child);
    const lines: string[] = [];
    const warnings: string[] = [];
    createInterface(child.stderr).on('line', (line) => warnings.push(line));
    const reader = createInterface(child.stdout);
    reader.on('line', (line) => lines.push(line));
    const ended = Promise.all([once(child, 'exit'), once(reader, 'close')]);
    return {
      process: child,
      lines,
      warnings,
      ready: Promise.race([once(reader, 'line'), ended]),
      ended,
      // The last line may be incomplete.
      dropped: () => lines.flatMap((line) => /^[a-z_]+ ([\da-f-]{36})$/.exec(line)?.[1] ?? []),
      captured: () => lines.filter((line) => /^[\da-f-]{36}$/.test(line)),
      async said(count) {
        while (lines.length < count) {
          const isOver = await Promise.race([once(reader, 'line').then(() => false), ended.then(() => true)]);
          if (isOver) return;
        }
      },
    };
  }

  killAll(): void {
    for (const child of this.#running.splice(0)) child.kill('SIGKILL');
  }
}
