import { createHash } from 'node:crypto';
import { type FileHandle, open, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { isObject } from '../../shared/untrusted-values.js';
import { type JsonObject } from '../event-input.js';
import { UsageError } from '../terminal.js';
import { type Settled } from './open-lines.js';

/** Saved progress of an import. */
export interface ImportState extends Settled {
  /** Timestamp of events without one, as RFC 3339. */
  readonly startedAt: string;
  /** Hash of the API key and the host. */
  readonly project: string;
  readonly isHistorical: boolean;
}

/** Number of bytes before the saved position that must be unchanged when the import is resumed. */
const SAMPLE_BYTES = 64 * 1024;

/** Saves the progress of an import next to the file, so that another process can resume it. */
export class StateFile {
  readonly #file: string;
  readonly path: string;

  /** @param file the file of events */
  constructor(file: string) {
    this.#file = file;
    this.path = `${file}.import-state.json`;
  }

  /**
   * Returns the progress of an interrupted import, or null if there is none.
   *
   * @throws UsageError if the state is unreadable or the file has changed
   */
  async read(): Promise<ImportState | null> {
    const text = await readFile(this.path, 'utf8').catch(() => null);
    if (text === null) return null;
    const { sample, ...state } = stateOf(text) ?? this.#unusable('cannot be read');
    if (sample !== (await sampleOf(this.#file, state.end)))
      this.#unusable('does not match the file: the part that was already imported has changed');
    return state;
  }

  /** Atomic: if the process is killed, the previous state is kept. */
  async write(state: ImportState): Promise<void> {
    const sample = await sampleOf(this.#file, state.end);
    await writeFile(`${this.path}.new`, `${JSON.stringify({ ...state, sample })}\n`, { mode: 0o600 });
    await rename(`${this.path}.new`, this.path);
  }

  async remove(): Promise<void> {
    await rm(this.path, { force: true });
  }

  #unusable(problem: string): never {
    throw new UsageError(`${this.path} ${problem}: delete it to start over`);
  }
}

function stateOf(text: string): (ImportState & { readonly sample: string }) | null {
  try {
    const read: unknown = JSON.parse(text);
    if (!isObject(read)) return null;
    // States of an earlier version have no such count.
    const state: JsonObject = { changed: 0, ...read };
    const isState =
      ['number', 'end', 'delivered', 'rejected', 'changed'].every((field) => Number.isSafeInteger(state[field])) &&
      ['startedAt', 'project', 'sample'].every((field) => typeof state[field] === 'string');
    return isState ? (state as unknown as ImportState & { readonly sample: string }) : null;
  } catch {
    return null;
  }
}

/** Hash of the bytes before a position. */
async function sampleOf(path: string, end: number): Promise<string> {
  let file: FileHandle | undefined;
  try {
    file = await open(path);
    const length = Math.min(end, SAMPLE_BYTES);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, end - length);
    return createHash('sha256').update(buffer.subarray(0, bytesRead)).digest('hex');
  } finally {
    await file?.close();
  }
}
