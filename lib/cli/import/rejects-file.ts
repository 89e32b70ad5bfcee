import { createReadStream } from 'node:fs';
import { appendFile, rename, rm, writeFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';

/** A line that is not in PostHog, and why. */
interface Reject {
  readonly line: number;
  readonly reason: string;
}

/** Reports of lines that are written at once. */
const MANY = 1000;

/** The lines of an import that PostHog does not have, as NDJSON. Holds their numbers and reasons, and nothing of their events. */
export class RejectsFile {
  readonly path: string;
  #waiting: string[] = [];
  #writing = Promise.resolve();

  constructor(path: string) {
    this.path = path;
  }

  /** Forgets an earlier import's, but for lines up to `line`. */
  async begin(line: number): Promise<void> {
    if (line === 0) {
      await rm(this.path, { force: true });
      await this.#probe();
      return;
    }
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

  /** Finds out whether the file can be written, before anything is sent. */
  async #probe(): Promise<void> {
    await appendFile(this.path, '', { mode: 0o600 });
    await rm(this.path, { force: true });
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
