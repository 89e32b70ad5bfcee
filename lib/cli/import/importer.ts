import { type Readable } from 'node:stream';
import { setTimeout as wait } from 'node:timers/promises';
import { type CaptureService } from '../../capture/capture.service.js';
import { type DropReason, type EventDrop } from '../../delivery/delivery.js';
import { type EventDelivery } from '../../options/posthog-capture.options.js';
import { cut, messageOf } from '../terminal.js';
import { type Line, readLines } from './lines.js';
import { OpenLines } from './open-lines.js';
import { type Counts } from './progress.js';
import { type SourceFormat } from './formats/source-format.js';
import { type ImportedEvent, readEvent } from './read-event.js';
import { stableUuid } from './stable-uuid.js';
import { type RejectsFile } from './rejects-file.js';
import { type ImportState } from './state-file.js';

/** PostHog accepts events of about 1 MB, so a longer line is a mistake. */
const MAX_LINE_BYTES = 16 * 1024 * 1024;
/** Number of different warnings that are printed. */
const MAX_WARNINGS = 20;
/** Consecutive attempts that deliver nothing before the import stops. */
const MAX_FAILURES = 5;
/** Pairs of ids that are remembered, about 100 bytes each. */
const MAX_PAIRS = 200_000;
const PAUSE_MS = 1000;
const MAX_PAUSE_MS = 30_000;
const READY_MS = 2000;
const MAX_REASON_LENGTH = 500;
const NO_ROOM = 'the queue was full';
const OVER_QUOTA = "the project is over its quota: see the billing page in PostHog's settings";
/** Drops that are not the fault of the line, which `--resume` sends again. */
const LEFT_OPEN: readonly DropReason[] = ['shutdown', 'queue_full', 'quota'];
/** A wrong key or host. If nothing was ever delivered, retrying does not help. */
const REFUSAL = /^PostHog API error: HTTP (?!408|429)[34]\d\d/;

/** An import that cannot continue. The message is the reason. */
export class ImportStopped extends Error {
  override readonly name = 'ImportStopped';
}

export interface ImporterOptions {
  /** Progress of the interrupted import, or the beginning of the file. */
  readonly state: ImportState;
  readonly rejects: RejectsFile;
  /** Part of the uuids of events with a `dedupe_key`. Default: '' */
  readonly dedupeProject?: string;
  /** Format of another product. Default: the fields of a job file. */
  readonly format?: SourceFormat | undefined;
  /** Maximum number of pending events. */
  readonly maxPending: number;
  /** Sends nothing. A line is settled once its event is captured. */
  readonly isDry: boolean;
  readonly signal: AbortSignal;
  readonly warn: (text: string) => void;
}

/** Captures each line of a stream, tracks its result, and pauses reading while too many events are pending. */
export class Importer {
  readonly #options: ImporterOptions;
  readonly #lines: OpenLines;
  readonly #printed = new Set<string>();
  #current = { number: 0, isChanged: false };
  /** Number of settled lines, including those after a line that is not settled. */
  #settled: number;
  /** The pairs of ids that this import has merged. */
  readonly #merged = new Set<string>();
  #rejected = 0;
  #hasDelivered = false;
  /** Reason why the last event was dropped. */
  #dropDetail: string | null = null;
  /** Set once the import must stop. */
  #obstacle: ImportStopped | null = null;

  constructor(options: ImporterOptions) {
    this.#options = options;
    this.#lines = new OpenLines(options.state);
    this.#settled = options.state.number;
  }

  /** Progress to save: the position up to which all lines are settled. */
  get state(): ImportState {
    return { ...this.#options.state, ...this.#lines.settled };
  }

  get counts(): Counts {
    return { bytes: this.#lines.settled.end, lines: this.#settled, rejected: this.#rejected };
  }

  /** Handler for the option `onDelivery`. */
  readonly delivered = ({ uuids }: EventDelivery): void => {
    for (const uuid of uuids) {
      if (this.#lines.settle(uuid, 'delivered') !== undefined) this.#settled += 1;
    }
    this.#hasDelivered = true;
  };

  /** Handler for the option `onDrop`. */
  readonly dropped = ({ uuid, reason, detail }: EventDrop): void => {
    this.#dropDetail = detail;
    // PostHog refuses every event while the project is over its quota.
    if (reason === 'quota') this.#obstacle ??= new ImportStopped(`${detail}: ${OVER_QUOTA}`);
    if (uuid === null || LEFT_OPEN.includes(reason)) return;
    const line = this.#lines.settle(uuid, 'rejected');
    if (line !== undefined) this.#reject(line, detail);
    else if (this.#merged.has(uuid)) this.#options.warn(`the two ids of a person were not merged: ${detail}`);
  };

  /** Called when a value of the current line is changed or ignored. */
  readonly warned = (warning: string): void => {
    this.#current.isChanged = true;
    // Each kind of warning is printed once, whatever size it mentions: a million lines may have the same problem.
    const kind = warning.replace(/\d+ bytes/, '');
    if (this.#printed.has(kind) || this.#printed.size >= MAX_WARNINGS) return;
    this.#printed.add(kind);
    this.#options.warn(`line ${this.#current.number}: ${warning}`);
  };

  /**
   * Captures every line and waits until all of them are settled or the signal is aborted.
   *
   * @param stream the file, starting at the position in `state`
   * @throws ImportStopped
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
      const { format, dedupeProject } = this.#options;
      const read = readEvent(line, { startedAt: state.startedAt, dedupeProject, format, warn: this.warned });
      if (typeof read === 'string') {
        this.#lines.reject(line);
        this.#reject(line.number, read);
      } else {
        const { event, anonymousId } = read;
        if (anonymousId !== undefined) this.#merge(capture, line, event, anonymousId);
        // Two lines with the same uuid become one row in PostHog, but each line has its own result.
        if (this.#lines.has(event.uuid)) await this.#until(capture, () => !this.#lines.has(event.uuid));
        this.#capture(capture, line, event);
      }
      if (rejects.isFull) await this.#report();
      if (!hasRoom()) await this.#until(capture, hasRoom);
    }
    await this.#until(capture, () => pending() === 0);
    if (!signal.aborted && this.#lines.open > 0)
      throw this.#obstacle ?? new ImportStopped(`${this.#lines.open} lines were not sent: ${NO_ROOM}`);
  }

  async #report(): Promise<void> {
    const { rejects } = this.#options;
    try {
      await rejects.write();
    } catch (error) {
      throw new ImportStopped(`cannot write ${rejects.path}: ${messageOf(error)}`);
    }
  }

  /** Merges an anonymous id into the person of an event, before the event and once per pair of ids. */
  #merge(capture: CaptureService, line: Line, { distinctId, timestamp }: ImportedEvent, anonymousId: string): void {
    const pair = stableUuid(JSON.stringify(['merge', distinctId, anonymousId]));
    if (this.#merged.has(pair) || this.#lines.has(pair)) return;
    // A forgotten pair is merged again, which changes nothing.
    if (this.#merged.size >= MAX_PAIRS) this.#merged.clear();
    this.#merged.add(pair);
    const properties = { $anon_distinct_id: anonymousId };
    this.#lines.addExtra(line, pair);
    const uuid = capture.capture({ event: '$identify', distinctId, timestamp, uuid: pair, properties });
    if (uuid === null || this.#options.isDry) this.#lines.settle(pair, 'delivered');
  }

  #capture(capture: CaptureService, line: Line, event: ImportedEvent): void {
    this.#dropDetail = null;
    this.#lines.add(line, event.uuid);
    const isCaptured = capture.capture(event) !== null;
    if (this.#current.isChanged) this.#lines.markChanged(event.uuid);
    if (isCaptured && !this.#options.isDry) return;
    // A drop with a uuid was handled in `dropped`.
    if (this.#lines.settle(event.uuid, isCaptured ? 'delivered' : 'rejected') === undefined) return;
    if (isCaptured) this.#settled += 1;
    else this.#reject(line.number, this.#lastDrop());
  }

  #lastDrop(): string {
    return this.#dropDetail ?? 'it was not captured';
  }

  #reject(line: number, reason: string): void {
    this.#settled += 1;
    this.#rejected += 1;
    this.#options.rejects.add({ line, reason: cut(reason, MAX_REASON_LENGTH) });
  }

  /** Sends until `isDone()` returns true or the signal is aborted. Throws ImportStopped when PostHog accepts nothing any more. */
  async #until(capture: CaptureService, isDone: () => boolean): Promise<void> {
    const { signal } = this.#options;
    for (let failures = 0; !isDone() && !signal.aborted;) {
      if (this.#obstacle !== null) throw this.#obstacle;
      const before = this.#settled;
      // Wait for full batches first: a flush sends batches that are not full.
      await this.#orSignal(capture.ready({ timeoutMs: READY_MS }));
      if (isDone()) return;
      const { error } = (await this.#orSignal(capture.flush())) ?? { error: null };
      if (this.#settled > before) failures = 0;
      else if (error !== null) {
        failures += 1;
        if (failures >= MAX_FAILURES || (!this.#hasDelivered && REFUSAL.test(error))) throw new ImportStopped(error);
        await wait(Math.min(PAUSE_MS * 2 ** failures, MAX_PAUSE_MS), undefined, { signal }).catch(() => undefined);
      }
    }
  }

  /** Resolves to the value of the promise, or to undefined once the signal is aborted. */
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
