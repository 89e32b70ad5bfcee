import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type CompiledLib } from './compiled-lib.js';
import { KEY } from './harness.js';

const CHILD = fileURLToPath(new URL('./child.mjs', import.meta.url));

/** An application in a process of its own. */
export interface Child {
  readonly process: ChildProcess;
  /** What it said, line by line. */
  readonly lines: string[];
  readonly warnings: string[];
  /** Resolves when it has said something, or has ended. */
  readonly ready: Promise<unknown>;
  readonly ended: Promise<unknown>;
  /** The events that it has captured: it says so when their turn is over. */
  captured(): string[];
  /** Those of them that it has said were dropped. */
  dropped(): string[];
  /** Resolves when it has said so many lines. */
  said(lines: number): Promise<void>;
}

/** How a child is started. */
export interface ChildOptions {
  readonly lib: CompiledLib;
  /** `capture`: goes on and on. `drain`: sends what a store brings back, and says its stats. `flood`: captures `flood` events. */
  readonly task: 'capture' | 'drain' | 'flood';
  /** Options of the module. `storeOptions` are those of its store; without them it has none. */
  readonly options: object;
  readonly nodeFlags?: readonly string[];
  /** What the shell does first. */
  readonly limits?: string;
}

/** The processes of one test, to be ended with it. */
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
      requestTimeoutMs: 200,
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
      // The last line may be half a line.
      dropped: () => lines.flatMap((line) => /^[a-z_]+ ([\da-f-]{36})$/.exec(line)?.[1] ?? []),
      captured: () => lines.filter((line) => /^[\da-f-]{36}$/.test(line)),
      async said(count) {
        while (lines.length < count) await once(reader, 'line');
      },
    };
  }

  killAll(): void {
    for (const child of this.#running.splice(0)) child.kill('SIGKILL');
  }
}
