import { createHash } from 'node:crypto';
import { type FileHandle, open, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { isJsonObject, type JsonObject } from '../event-input.js';
import { UsageError } from '../terminal.js';
import { type Answered } from './open-lines.js';

/** How far an import has come. */
export interface ImportState extends Answered {
  /** What the events without a timestamp have, as RFC 3339. */
  readonly startedAt: string;
  /** A hash of the project that they go to. */
  readonly project: string;
  readonly isHistorical: boolean;
}

/** So many bytes before the place must still be what they were. */
const SAMPLE_BYTES = 64 * 1024;

/** Keeps how far the import of a file has come, beside the file, so that another process can go on there. */
export class StateFile {
  readonly #file: string;
  readonly path: string;

  /** @param file the file of events */
  constructor(file: string) {
    this.#file = file;
    this.path = `${file}.import-state.json`;
  }

  /** What an import that was interrupted has left; null when there is none. Throws UsageError when it does not fit the file. */
  async read(): Promise<ImportState | null> {
    const text = await readFile(this.path, 'utf8').catch(() => null);
    if (text === null) return null;
    const { sample, ...state } = stateOf(text) ?? this.#unusable('cannot be read');
    if (sample !== (await sampleOf(this.#file, state.end)))
      this.#unusable(`is of another file: what it says was imported has changed`);
    return state;
  }

  /** Atomic: a process that is killed meanwhile leaves the former state. */
  async write(state: ImportState): Promise<void> {
    const sample = await sampleOf(this.#file, state.end);
    await writeFile(`${this.path}.new`, `${JSON.stringify({ ...state, sample })}\n`, { mode: 0o600 });
    await rename(`${this.path}.new`, this.path);
  }

  async remove(): Promise<void> {
    await rm(this.path, { force: true });
  }

  #unusable(problem: string): never {
    throw new UsageError(`${this.path} ${problem}; delete it to begin anew`);
  }
}

function stateOf(text: string): (ImportState & { readonly sample: string }) | null {
  try {
    const read: unknown = JSON.parse(text);
    if (!isJsonObject(read)) return null;
    // An earlier version did not count these.
    const state: JsonObject = { changed: 0, ...read };
    const isState =
      ['number', 'end', 'delivered', 'rejected', 'changed'].every((field) => Number.isSafeInteger(state[field])) &&
      ['startedAt', 'project', 'sample'].every((field) => typeof state[field] === 'string');
    return isState ? (state as unknown as ImportState & { readonly sample: string }) : null;
  } catch {
    return null;
  }
}

/** A hash of the bytes that end at a place. */
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
