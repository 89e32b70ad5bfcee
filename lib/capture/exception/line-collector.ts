const NEWLINE = 10;
const CARRIAGE_RETURN = 13;
/** A line longer than this is cut to SHOWN characters. */
const MAX_LINE_LENGTH = 150;
const SHOWN = 140;
/** A character has at most four bytes. */
const MAX_LINE_BYTES = MAX_LINE_LENGTH * 4 + 1;

/** Picks lines by number out of the chunks of a file. Keeps only these, each as a string of its own. */
export class LineCollector {
  readonly #wanted: ReadonlySet<number>;
  readonly #last: number;
  readonly lines = new Map<number, string>();
  #number = 1;
  #begun: Buffer[] = [];
  #begunBytes = 0;

  /** @param wanted line numbers, from 1 */
  constructor(wanted: ReadonlySet<number>) {
    this.#wanted = wanted;
    this.#last = Math.max(0, ...wanted);
  }

  /** True once all wanted lines have been read. */
  get isDone(): boolean {
    return this.#number > this.#last;
  }

  write(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length && !this.isDone) {
      const newline = chunk.indexOf(NEWLINE, at);
      this.#append(chunk.subarray(at, newline === -1 ? chunk.length : newline));
      if (newline === -1) return;
      this.#endLine();
      at = newline + 1;
    }
  }

  /** The last line may have no newline. */
  end(): void {
    if (this.#begunBytes > 0) this.#endLine();
  }

  #append(part: Buffer): void {
    if (!this.#wanted.has(this.#number) || this.#begunBytes >= MAX_LINE_BYTES) return;
    // A copy, because the reader uses its buffer again.
    const copy = Buffer.from(part.subarray(0, MAX_LINE_BYTES - this.#begunBytes));
    this.#begun.push(copy);
    this.#begunBytes += copy.length;
  }

  #endLine(): void {
    if (this.#wanted.has(this.#number)) {
      const bytes = Buffer.concat(this.#begun);
      const isCrLf = bytes.at(-1) === CARRIAGE_RETURN;
      const text = bytes.toString('utf8', 0, bytes.length - (isCrLf ? 1 : 0));
      this.lines.set(this.#number, text.length > MAX_LINE_LENGTH ? `${text.slice(0, SHOWN)}…` : text);
      this.#begun = [];
      this.#begunBytes = 0;
    }
    this.#number += 1;
  }
}
