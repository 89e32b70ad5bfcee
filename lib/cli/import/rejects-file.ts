import { lstat, rename, rm } from 'node:fs/promises';
import { resolve } from 'node:path';
import { messageOf, UsageError } from '../terminal.js';
import { createFile, openToAppend, openToRead } from './safe-files.js';

interface Reject {
  readonly line: number;
  readonly reason: string;
}

/** Number of reports in memory from which they should be written. */
const BUFFERED_REPORTS = 1000;
/** Beginning of a report file. */
const REPORT = /^\s*\{"line":\d+,"reason":"/;
const SAMPLE_BYTES = 1024;

/** Report of the rejected lines of an import, as NDJSON. It has their numbers and reasons, and no event data. */
export class RejectsFile {
  readonly path: string;
  #waiting: string[] = [];
  #writing = Promise.resolve();

  constructor(path: string) {
    this.path = path;
  }

  /**
   * Deletes the reports of an earlier import, except those of lines up to `line`.
   *
   * @throws UsageError if the file has other content, which is kept, or cannot be written
   */
  async begin(line: number): Promise<void> {
    try {
      if (!(await holdsReports(this.path))) {
        throw new UsageError(
          `${this.path} exists and is not a report of rejected lines: choose another file with --rejects, or delete it`,
        );
      }
      await (line === 0 ? this.#clear() : this.#keep(line));
    } catch (error) {
      if (error instanceof UsageError) throw error;
      throw new UsageError(`cannot write ${this.path}: ${messageOf(error)}`);
    }
  }

  add(reject: Reject): void {
    this.#waiting.push(`${JSON.stringify(reject)}\n`);
  }

  /** Returns true when `write` should be called. */
  get isFull(): boolean {
    return this.#waiting.length >= BUFFERED_REPORTS;
  }

  /** Writes sequentially. Reports that could not be written are kept for the next call. */
  write(): Promise<void> {
    const writing = this.#writing
      .catch(() => undefined)
      .then(async () => {
        const waiting = this.#waiting.slice();
        if (waiting.length > 0) await append(this.path, waiting.join(''));
        this.#waiting.splice(0, waiting.length);
      });
    this.#writing = writing;
    return writing;
  }

  /** Also checks that the file can be written, before anything is sent. */
  async #clear(): Promise<void> {
    await (await createFile(this.path)).close();
    await rm(this.path, { force: true });
  }

  async #keep(line: number): Promise<void> {
    const kept = await openToRead(this.path);
    // The file does not exist if no line was rejected.
    if (kept === null) return;
    const copy = await createFile(`${this.path}.new`);
    try {
      for await (const text of kept.readLines()) if (isUpTo(text, line)) await copy.write(`${text}\n`);
    } finally {
      await copy.close();
      await kept.close();
    }
    await rename(`${this.path}.new`, this.path);
  }
}

async function append(path: string, text: string): Promise<void> {
  const file = await openToAppend(path);
  try {
    await file.appendFile(text);
  } finally {
    await file.close();
  }
}

/** Returns true if the file is a report, is empty or does not exist, so that it can be overwritten. */
async function holdsReports(path: string): Promise<boolean> {
  const file = await openToRead(path);
  if (file === null) return true;
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(SAMPLE_BYTES), 0, SAMPLE_BYTES, 0);
    return bytesRead === 0 || REPORT.test(buffer.toString('utf8', 0, bytesRead));
  } finally {
    await file.close();
  }
}

function isUpTo(text: string, line: number): boolean {
  try {
    return (JSON.parse(text) as Reject).line <= line;
  } catch {
    // An incomplete line of a killed process.
    return false;
  }
}

/** The report file: never the imported file, and for a dry run not the report of a real import. */
export async function rejectsPath(given: string | undefined, name: string, isDry: boolean): Promise<string> {
  const path = given ?? `${name}${isDry ? '.dry-run' : ''}.rejects.ndjson`;
  const found = await lstat(path).catch(() => null);
  if (found !== null && !found.isFile()) throw new UsageError(`--rejects ${path} is not a file`);
  if (resolve(path) === resolve(name) || resolve(path) === resolve(`${name}.import-state.json`))
    throw new UsageError(`--rejects must not be the imported file or its state file`);
  return path;
}
