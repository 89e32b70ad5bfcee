import { createReadStream } from 'node:fs';
import { appendFile, open, rename, rm, writeFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { messageOf, UsageError } from '../terminal.js';

/** A line that is not in PostHog, and why. */
interface Reject {
  readonly line: number;
  readonly reason: string;
}

/** Reports of lines that are written at once. */
const MANY = 1000;
/** How a file of reports begins. */
const REPORT = /^\s*\{"line":\d+,"reason":"/;
const SAMPLE_BYTES = 1024;

/** The lines of an import that PostHog does not have, as NDJSON. Holds their numbers and reasons, and nothing of their events. */
export class RejectsFile {
  readonly path: string;
  #waiting: string[] = [];
  #writing = Promise.resolve();

  constructor(path: string) {
    this.path = path;
  }

  /**
   * Forgets an earlier import's, but for lines up to `line`.
   *
   * @throws UsageError when the file holds something else, which is left alone, or cannot be written
   */
  async begin(line: number): Promise<void> {
    try {
      if (!(await holdsReports(this.path))) {
        throw new UsageError(
          `${this.path} is there and is no report of rejected lines: name another file with --rejects, or delete it`,
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

  /** Whether it is time to `write`. */
  get isFull(): boolean {
    return this.#waiting.length >= MANY;
  }

  /** One at a time. What cannot be written waits for the next time. */
  write(): Promise<void> {
    const writing = this.#writing
      .catch(() => undefined)
      .then(async () => {
        const waiting = this.#waiting.slice();
        if (waiting.length > 0) await appendFile(this.path, waiting.join(''), { mode: 0o600 });
        this.#waiting.splice(0, waiting.length);
      });
    this.#writing = writing;
    return writing;
  }

  /** Finds out as well whether the file can be written, before anything is sent. */
  async #clear(): Promise<void> {
    await rm(this.path, { force: true });
    await appendFile(this.path, '', { mode: 0o600 });
    await rm(this.path, { force: true });
  }

  async #keep(line: number): Promise<void> {
    const kept = createReadStream(this.path);
    // There is none when no line was bad.
    const isThere = await new Promise<boolean>((resolve) => {
      kept.once('open', () => resolve(true)).once('error', () => resolve(false));
    });
    if (!isThere) return;
    await writeFile(`${this.path}.new`, '', { mode: 0o600 });
    for await (const text of createInterface(kept)) {
      if (isUpTo(text, line)) await appendFile(`${this.path}.new`, `${text}\n`);
    }
    await rename(`${this.path}.new`, this.path);
  }
}

/** Whether nothing but reports would be lost with a file: it begins with one, is empty, or is not there. */
async function holdsReports(path: string): Promise<boolean> {
  const file = await open(path).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  });
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
    // Half a line, of a process that was killed.
    return false;
  }
}
