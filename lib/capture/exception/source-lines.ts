import { isReadable, type Lines, readLines, readLinesSync } from './source-files.js';

/** Lines shown before and after the line of a call. */
const LINES_AROUND = 5;
/** Files whose lines are kept, and files that wait to be read. */
const MAX_FILES = 25;
/** Lines kept of one file. */
const MAX_LINES_OF_FILE = 2000;
/** Calls with source lines in one event: an event of many errors must not become too large. */
const MAX_CALLS = 60;
/** Code beyond is minified or generated. */
const MAX_LINE_NUMBER = 10_000;
const MAX_COLUMN = 1000;
/** After a slower read, files are only read in the background. */
const MAX_BLOCKING_MS = 20;

/** The place of a call in the source code. */
export interface SourcePlace {
  readonly path: string;
  readonly lineno: number;
  readonly colno: number;
}

/** The line of a call, and those around it in the order of the file. */
export interface SourceContext {
  readonly pre_context: string[];
  readonly context_line: string;
  readonly post_context: string[];
}

/** null for a line after the end of the file. */
type KnownLines = Map<number, string | null>;

/**
 * Source lines of calls. Files are read in the background, for the next error; only the file of one call is read at once. A file that cannot be
 * read is not tried again while it is among the 25 last ones.
 */
export class SourceLines {
  /** In the order of use; null if the file cannot be read. */
  readonly #files = new Map<string, KnownLines | null>();
  readonly #waiting = new Map<string, Set<number>>();
  #isReading = false;
  #isSlow = false;

  /**
   * The source lines of calls, as far as they are known.
   *
   * @param places the most important first
   * @param urgent the place whose file is read at once
   */
  contextsOf(places: readonly SourcePlace[], urgent: SourcePlace | undefined): Map<SourcePlace, SourceContext> {
    const shown = places.filter(isShown).slice(0, MAX_CALLS);
    if (urgent !== undefined && shown.includes(urgent)) this.#readNow(urgent.path, shown);
    const contexts = new Map<SourcePlace, SourceContext>();
    for (const place of shown) {
      const context = this.#contextOf(place);
      if (context !== undefined) contexts.set(place, context);
      else this.#request(place);
    }
    if (this.#waiting.size > 0 && !this.#isReading) void this.#readWaiting();
    return contexts;
  }

  #contextOf({ path, lineno }: SourcePlace): SourceContext | undefined {
    const lines = this.#files.get(path);
    const line = lines?.get(lineno);
    if (!lines || typeof line !== 'string') return undefined;
    this.#use(path, lines);
    const between = (first: number, last: number): string[] => {
      const found: string[] = [];
      for (let number = first; number <= last; number += 1) {
        const text = lines.get(number);
        if (typeof text === 'string') found.push(text);
      }
      return found;
    };
    return {
      pre_context: between(lineno - LINES_AROUND, lineno - 1),
      context_line: line,
      post_context: between(lineno + 1, lineno + LINES_AROUND),
    };
  }

  #readNow(path: string, places: readonly SourcePlace[]): void {
    if (this.#isSlow || this.#files.get(path) === null) return;
    const wanted = new Set<number>();
    for (const place of places)
      if (place.path === path && !this.#files.get(path)?.has(place.lineno)) addWindow(wanted, place.lineno);
    if (wanted.size === 0) return;
    const start = performance.now();
    const lines = readLinesSync(path, wanted);
    this.#isSlow = performance.now() - start > MAX_BLOCKING_MS;
    if (lines !== undefined) this.#keep(path, wanted, lines);
  }

  #request({ path, lineno }: SourcePlace): void {
    const known = this.#files.get(path);
    if (known === null || known?.has(lineno) === true) return;
    const wanted = this.#waiting.get(path);
    if (wanted) addWindow(wanted, lineno);
    else if (this.#waiting.size < MAX_FILES) this.#waiting.set(path, addWindow(new Set(), lineno));
  }

  async #readWaiting(): Promise<void> {
    this.#isReading = true;
    for (let next = first(this.#waiting); next !== undefined; next = first(this.#waiting)) {
      const [path, wanted] = next;
      this.#waiting.delete(path);
      this.#keep(path, wanted, await readLines(path, wanted));
    }
    this.#isReading = false;
  }

  #keep(path: string, wanted: ReadonlySet<number>, lines: Lines | null): void {
    if (lines === null) {
      this.#use(path, null);
      return;
    }
    const known = this.#files.get(path) ?? new Map<number, string | null>();
    if (known.size + wanted.size > MAX_LINES_OF_FILE) known.clear();
    for (const number of wanted) known.set(number, lines.get(number) ?? null);
    this.#use(path, known);
  }

  #use(path: string, lines: KnownLines | null): void {
    this.#files.delete(path);
    this.#files.set(path, lines);
    const oldest = this.#files.size > MAX_FILES ? first(this.#files) : undefined;
    if (oldest) this.#files.delete(oldest[0]);
  }
}

const isShown = ({ path, lineno, colno }: SourcePlace): boolean =>
  lineno >= 1 && lineno <= MAX_LINE_NUMBER && colno <= MAX_COLUMN && isReadable(path);

function addWindow(wanted: Set<number>, lineno: number): Set<number> {
  for (let number = Math.max(1, lineno - LINES_AROUND); number <= lineno + LINES_AROUND; number += 1)
    wanted.add(number);
  return wanted;
}

const first = <K, V>(map: ReadonlyMap<K, V>): [K, V] | undefined => map.entries().next().value;
