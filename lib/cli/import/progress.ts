import { type Terminal } from '../terminal.js';

/** What is known of an import while it runs. */
export interface Counts {
  /** Bytes of the file that are answered for. */
  readonly bytes: number;
  /** Lines that are answered for. */
  readonly lines: number;
  readonly rejected: number;
}

const INTERACTIVE_MS = 250;
const PLAIN_MS = 10_000;
const BAR_LENGTH = 24;
const GAP = '  ';
/** What counts of the rate until now when a new one is measured: the bar shall not jump. */
const MEMORY = 0.7;

type ProgressTerminal = Pick<Terminal, 'err' | 'errColumns' | 'interactive'>;

/** Shows how an import goes on: one line that is written over, or, where nobody looks, a line now and then. */
export class Progress {
  readonly #terminal: ProgressTerminal;
  readonly #counts: () => Counts;
  readonly #totalBytes: number | null;
  readonly #timer: ReturnType<typeof setInterval>;
  readonly #first: { readonly at: number; readonly counts: Counts };
  #last: { readonly at: number; readonly counts: Counts };
  #linesPerSecond = 0;
  #bytesPerSecond = 0;

  /** @param totalBytes null when nobody knows */
  constructor(terminal: ProgressTerminal, totalBytes: number | null, counts: () => Counts) {
    this.#terminal = terminal;
    this.#totalBytes = totalBytes;
    this.#counts = counts;
    this.#first = { at: performance.now(), counts: counts() };
    this.#last = this.#first;
    this.#timer = setInterval(() => this.#show(), terminal.interactive ? INTERACTIVE_MS : PLAIN_MS);
  }

  /** Shows the end. */
  stop(): void {
    clearInterval(this.#timer);
    if (!this.#terminal.interactive) return;
    // All of it, as nothing is left.
    this.#last = this.#first;
    this.#linesPerSecond = 0;
    this.#bytesPerSecond = 0;
    this.#show();
    this.#terminal.err('\n');
  }

  #show(): void {
    const counts = this.#counts();
    this.#measure(counts);
    const parts = this.#parts(counts);
    const { interactive, errColumns } = this.#terminal;
    if (interactive) this.#terminal.err(`\r${fitting(parts, errColumns)}\u001B[K`);
    else this.#terminal.err(`posthog-capture import: ${parts.join(GAP)}\n`);
  }

  #measure(counts: Counts): void {
    const at = performance.now();
    const seconds = (at - this.#last.at) / 1000;
    if (seconds <= 0) return;
    const rate = (before: number, now: number, known: number): number => {
      const measured = (now - before) / seconds;
      return known === 0 ? measured : MEMORY * known + (1 - MEMORY) * measured;
    };
    this.#linesPerSecond = rate(this.#last.counts.lines, counts.lines, this.#linesPerSecond);
    this.#bytesPerSecond = rate(this.#last.counts.bytes, counts.bytes, this.#bytesPerSecond);
    this.#last = { at, counts };
  }

  /** What there is to say, the most important first. */
  #parts({ bytes, lines, rejected }: Counts): string[] {
    const parts = [`${lines} lines`, `${Math.round(this.#linesPerSecond)}/s`];
    if (rejected > 0) parts.push(`${rejected} rejected`);
    if (this.#totalBytes === null) return parts;
    const share = this.#totalBytes === 0 ? 1 : Math.min(1, bytes / this.#totalBytes);
    const full = Math.round(share * BAR_LENGTH);
    const left = this.#bytesPerSecond > 0 ? (this.#totalBytes - bytes) / this.#bytesPerSecond : NaN;
    const bar = `[${'#'.repeat(full)}${'.'.repeat(BAR_LENGTH - full)}] ${Math.floor(share * 100)} %`;
    return [bar, ...parts, Number.isFinite(left) ? `${timeOf(left)} left` : 'time left unknown'];
  }
}

/** The first parts, as many as leave a column free: a line that fills the terminal goes on in the next one, and is not written over. */
function fitting(parts: readonly string[], columns: number): string {
  let count = parts.length;
  while (count > 1 && parts.slice(0, count).join(GAP).length >= columns) count -= 1;
  return parts.slice(0, count).join(GAP);
}

function timeOf(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}
