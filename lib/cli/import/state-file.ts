import { createHash } from 'node:crypto';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { isObject } from '../../shared/untrusted-values.js';
import { type JsonObject } from '../event-input.js';
import { messageOf, UsageError } from '../terminal.js';
import { type Settled } from './open-lines.js';
import { openToRead, writeNewFile } from './safe-files.js';

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
  readonly #isCompressed: boolean;
  readonly path: string;

  /**
   * @param file the file of events
   * @param isCompressed positions are those of its content
   */
  constructor(file: string, isCompressed: boolean) {
    this.#file = file;
    this.#isCompressed = isCompressed;
    this.path = `${file}.import-state.json`;
  }

  /**
   * Returns the progress of an interrupted import, or null if there is none.
   *
   * @throws UsageError if the state is unreadable or the file has changed
   */
  async read(): Promise<ImportState | null> {
    const text = await this.#text();
    if (text === null) return null;
    const { sample, ...state } = stateOf(text) ?? this.#unusable('cannot be read');
    if (sample !== (await this.#sample(state)))
      this.#unusable('does not match the file: the part that was already imported has changed');
    return state;
  }

  /** Atomic: if the process is killed, the previous state is kept. */
  async write(state: ImportState): Promise<void> {
    const sample = await this.#sample(state);
    await writeNewFile(`${this.path}.new`, `${JSON.stringify({ ...state, sample })}\n`);
    await rename(`${this.path}.new`, this.path);
  }

  async remove(): Promise<void> {
    await rm(this.path, { force: true });
  }

  async #text(): Promise<string | null> {
    const file = await openToRead(this.path).catch((error: unknown) =>
      this.#unusable(`cannot be read (${messageOf(error)})`),
    );
    try {
      return (await file?.readFile('utf8')) ?? null;
    } finally {
      await file?.close();
    }
  }

  /** Of the part that was imported; of the end of a compressed file. */
  #sample({ end }: ImportState): Promise<string> {
    return sampleOf(this.#file, this.#isCompressed ? null : end);
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

/** Hash of the bytes before a position, or before the end of the file. */
async function sampleOf(path: string, position: number | null): Promise<string> {
  let file: FileHandle | undefined;
  try {
    file = await open(path);
    const end = position ?? (await file.stat()).size;
    const length = Math.min(end, SAMPLE_BYTES);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, end - length);
    return createHash('sha256').update(buffer.subarray(0, bytesRead)).digest('hex');
  } finally {
    await file?.close();
  }
}
