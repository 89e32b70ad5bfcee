import { type Readable } from 'node:stream';
import { setTimeout as wait } from 'node:timers/promises';
import { type CaptureService } from '../../capture/capture.service.js';
import { type DropReason, type EventDrop } from '../../delivery/delivery.js';
import { type EventDelivery } from '../../options/posthog-capture.options.js';
import { cut, messageOf } from '../terminal.js';
import { type Line, readLines } from './lines.js';
import { OpenLines } from './open-lines.js';
import { type Counts } from './progress.js';
import { type ImportedEvent, readEvent } from './read-event.js';
import { type RejectsFile } from './rejects-file.js';
import { type ImportState } from './state-file.js';

/** PostHog stores about 1 MB of an event; a longer line is none. */
const MAX_LINE_BYTES = 16 * 1024 * 1024;
/** Different warnings that are told. */
const MAX_WARNINGS = 20;
/** Attempts in a row of which none delivers anything. */
const MAX_FAILURES = 5;
const PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 30_000;
const READY_MS = 2000;
const MAX_REASON_LENGTH = 500;
const NO_ROOM = 'the queue was full';
const OVER_QUOTA = "the project is over its quota, which the billing page of PostHog's settings shows";
/** Drops that say nothing against a line. */
const LEFT_OPEN: readonly DropReason[] = ['shutdown', 'queue_full', 'quota'];
/** A key or an address that is wrong stays wrong: no reason to try again when nothing was ever delivered. */
const REFUSAL = /^PostHog API error: HTTP (?!408|429)[34]\d\d/;

/** Raised when an import cannot go on: PostHog takes nothing any more, or something else is in the way. The message says what. */
export class GivenUp extends Error {
  override readonly name = 'GivenUp';
}

/** How an importer works. */
export interface ImporterOptions {
  /** Where it begins, and what was done before. */
  readonly state: ImportState;
  readonly rejects: RejectsFile;
  /** Events that wait to be sent, at most. */
  readonly maxPending: number;
  /** Nothing is sent: what was captured is answered for. */
  readonly isDry: boolean;
  readonly signal: AbortSignal;
  readonly warn: (text: string) => void;
}

/** Captures the lines of a stream, keeps account of each, and waits when too many are on their way. */
export class Importer {
  readonly #options: ImporterOptions;
  readonly #lines: OpenLines;
  readonly #told = new Set<string>();
  /** The line that is read or captured now. */
  #current = { number: 0, isChanged: false };
  /** Lines that are answered for, also those after one that is not. */
  #settled: number;
  #rejected = 0;
  #hasDelivered = false;
  /** Why the event that is being captured was dropped. */
  #refusal: string | null = null;
  /** Why no line is to follow. */
  #obstacle: GivenUp | null = null;

  constructor(options: ImporterOptions) {
    this.#options = options;
    this.#lines = new OpenLines(options.state);
    this.#settled = options.state.number;
  }

  /** How far all lines are answered for. */
  get state(): ImportState {
    return { ...this.#options.state, ...this.#lines.answered };
  }

  get counts(): Counts {
    return { bytes: this.#lines.answered.end, lines: this.#settled, rejected: this.#rejected };
  }

  /** For option `onDelivery`. */
  readonly delivered = ({ uuids }: EventDelivery): void => {
    for (const uuid of uuids) {
      if (this.#lines.settle(uuid, 'delivered') !== undefined) this.#settled += 1;
    }
    this.#hasDelivered = true;
  };

  /** For option `onDrop`. */
  readonly dropped = ({ uuid, reason, detail }: EventDrop): void => {
    this.#refusal = detail;
    // The lines are good, and PostHog says so of whatever it is sent.
    if (reason === 'quota') this.#obstacle ??= new GivenUp(`${detail}: ${OVER_QUOTA}`);
    // What was not sent is sent by `--resume`.
    if (uuid === null || LEFT_OPEN.includes(reason)) return;
    const line = this.#lines.settle(uuid, 'rejected');
    if (line !== undefined) this.#reject(line, detail);
  };

  /** For a watcher of the capture service, and whoever else knows that the current line is not taken as it is. */
  readonly warned = (warning: string): void => {
    this.#current.isChanged = true;
    // Once for each kind, whatever size it names: a million lines may well have the same fault.
    const kind = warning.replace(/\d+ bytes/, '');
    if (this.#told.has(kind) || this.#told.size >= MAX_WARNINGS) return;
    this.#told.add(kind);
    this.#options.warn(`line ${this.#current.number}: ${warning}`);
  };

  /**
   * Captures every line, and waits until all are answered for, or until the signal.
   *
   * @param stream the file from where `state` says
   * @throws GivenUp
   */
  async run(stream: Readable, capture: CaptureService): Promise<void> {
    const { signal, maxPending, rejects, state } = this.#options;
    const pending = (): number => capture.stats().pending;
    const hasRoom = (): boolean => {
      const { pending: events, pendingBytes, limits } = capture.stats();
      return events <= maxPending && pendingBytes <= (limits?.maxQueueBytes ?? Infinity) / 4;
    };
    for await (const line of readLines(stream, state, MAX_LINE_BYTES)) {
      if (signal.aborted) return;
      if (this.#obstacle !== null) throw this.#obstacle;
      this.#current = { number: line.number, isChanged: false };
      const event = readEvent(line, state.startedAt, this.warned);
      if (typeof event === 'string') {
        this.#lines.reject(line);
        this.#reject(line.number, event);
      } else {
        // Two lines of one uuid are one row, but each is a line to answer for.
        if (this.#lines.has(event.uuid)) await this.#until(capture, () => !this.#lines.has(event.uuid));
        this.#capture(capture, line, event);
      }
      if (rejects.isFull) await this.#report();
      if (!hasRoom()) await this.#until(capture, hasRoom);
    }
    await this.#until(capture, () => pending() === 0);
    if (!signal.aborted && this.#lines.open > 0)
      throw this.#obstacle ?? new GivenUp(`${this.#lines.open} lines were not sent: ${NO_ROOM}`);
  }

  async #report(): Promise<void> {
    const { rejects } = this.#options;
    try {
      await rejects.write();
    } catch (error) {
      throw new GivenUp(`cannot write ${rejects.path}: ${messageOf(error)}`);
    }
  }

  #capture(capture: CaptureService, line: Line, event: ImportedEvent): void {
    this.#refusal = null;
    this.#lines.add(line, event.uuid);
    const isCaptured = capture.capture(event) !== null;
    if (this.#current.isChanged) this.#lines.change(event.uuid);
    if (isCaptured && !this.#options.isDry) return;
    // A refusal that had a uuid was told already.
    if (this.#lines.settle(event.uuid, isCaptured ? 'delivered' : 'rejected') === undefined) return;
    if (isCaptured) this.#settled += 1;
    else this.#reject(line.number, this.#lastRefusal());
  }

  #lastRefusal(): string {
    return this.#refusal ?? 'it was not captured';
  }

  #reject(line: number, reason: string): void {
    this.#settled += 1;
    this.#rejected += 1;
    this.#options.rejects.add({ line, reason: cut(reason, MAX_REASON_LENGTH) });
  }

  /** Sends until `isSo`, until the signal, or until PostHog takes nothing any more. */
  async #until(capture: CaptureService, isSo: () => boolean): Promise<void> {
    const { signal } = this.#options;
    for (let failures = 0; !isSo() && !signal.aborted;) {
      if (this.#obstacle !== null) throw this.#obstacle;
      const before = this.#settled;
      // The cheap way first: a flush leaves no batch to fill up.
      await this.#orSignal(capture.ready({ timeoutMs: READY_MS }));
      if (isSo()) return;
      const { error } = (await this.#orSignal(capture.flush())) ?? { error: null };
      if (this.#settled > before) failures = 0;
      else if (error !== null) {
        failures += 1;
        if (failures >= MAX_FAILURES || (!this.#hasDelivered && REFUSAL.test(error))) throw new GivenUp(error);
        await wait(Math.min(PAUSE_MS * 2 ** failures, LONGEST_PAUSE_MS), undefined, { signal }).catch(() => undefined);
      }
    }
  }

  /** What a promise brings, or undefined as soon as the signal comes. */
  #orSignal<T>(promise: Promise<T>): Promise<T | undefined> {
    const { signal } = this.#options;
    return new Promise((resolve, reject) => {
      const stop = (): void => resolve(undefined);
      if (signal.aborted) stop();
      signal.addEventListener('abort', stop, { once: true });
      promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
    });
  }
}
