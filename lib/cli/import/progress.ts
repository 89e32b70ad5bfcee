import { type Terminal } from '../terminal.js';

export interface Counts {
  /** Settled bytes of the file. */
  readonly bytes: number;
  /** Settled lines. */
  readonly lines: number;
  readonly rejected: number;
}

const INTERACTIVE_MS = 250;
const PLAIN_MS = 10_000;
const BAR_LENGTH = 24;
const GAP = '  ';
/** Weight of the previous rate in the moving average. */
const SMOOTHING = 0.7;

type ProgressTerminal = Pick<Terminal, 'err' | 'errColumns' | 'interactive'>;

/** Shows the progress of an import: one line that is updated, or a new line every 10 seconds if the output is not a terminal. */
export class Progress {
  readonly #terminal: ProgressTerminal;
  readonly #counts: () => Counts;
  readonly #totalBytes: number | null;
  readonly #timer: ReturnType<typeof setInterval>;
  readonly #first: { readonly at: number; readonly counts: Counts };
  #last: { readonly at: number; readonly counts: Counts };
  #linesPerSecond = 0;
  #bytesPerSecond = 0;

  /** @param totalBytes null if unknown */
  constructor(terminal: ProgressTerminal, totalBytes: number | null, counts: () => Counts) {
    this.#terminal = terminal;
    this.#totalBytes = totalBytes;
    this.#counts = counts;
    this.#first = { at: performance.now(), counts: counts() };
    this.#last = this.#first;
    this.#timer = setInterval(() => this.#show(), terminal.interactive ? INTERACTIVE_MS : PLAIN_MS);
  }

  /** Shows the final numbers. */
  stop(): void {
    clearInterval(this.#timer);
    if (!this.#terminal.interactive) return;
    // The average over the whole import.
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
      return known === 0 ? measured : SMOOTHING * known + (1 - SMOOTHING) * measured;
    };
    this.#linesPerSecond = rate(this.#last.counts.lines, counts.lines, this.#linesPerSecond);
    this.#bytesPerSecond = rate(this.#last.counts.bytes, counts.bytes, this.#bytesPerSecond);
    this.#last = { at, counts };
  }

  /** Sorted by importance: the last parts are left out if the line is too long. */
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

/** Joins the parts that fit and leave one column free: a line that fills the terminal wraps and cannot be overwritten. */
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
