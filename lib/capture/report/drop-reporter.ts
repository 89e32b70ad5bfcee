import { types } from 'node:util';
import { type LoggerService } from '@nestjs/common';
import { type DropReason, type SendFailure } from '../../delivery/delivery.js';
import { type EventWatchers } from './event-watcher.js';
import { LogLimiter } from './log-limiter.js';

/** One event that will not arrive. */
export interface ReportedDrop {
  reason: DropReason;
  event: string;
  uuid: string | null;
  detail: string;
}

/** What can be done about a queue that fills up. */
export const QUEUE_REMEDY =
  'PostHog is slower than the events come: raise maxQueueEvents and maxQueueBytes, or await ready() in bulk work';

/** What can be done about a store that fails. */
export const STORE_REMEDY =
  'look at the free space of its disk, its maxBytes, and whether this process may write there';

/** What can be done about a loss; `undefined` where it is what somebody chose, and deserves no warning. */
const REMEDIES: Readonly<Record<DropReason, string | undefined>> = {
  invalid: 'correct the call',
  opted_out: undefined,
  before_send: undefined,
  too_large: 'send less in properties, or raise maxEventBytes up to what PostHog stores (about 1 MB)',
  queue_full: QUEUE_REMEDY,
  rejected: 'the reason is PostHog’s: correct the event',
  quota: "the project is over its quota: see the billing page of PostHog's settings",
  undelivered: 'the caller of captureNow was told; capture() would have kept the event and tried again',
  expired: 'PostHog was out of reach for longer than maxEventAgeMs',
  shutdown: 'raise shutdownTimeoutMs, and call app.enableShutdownHooks()',
};

/**
 * The one place where losses are counted, logged and handed to `onDrop`, and where trouble on the way to PostHog is
 * logged: a line per kind and minute, never one per event, and never a property or the key.
 */
export class DropReporter {
  readonly #logger: LoggerService;
  readonly #onDrop: ((drop: ReportedDrop) => void) | undefined;
  readonly #watchers: EventWatchers | undefined;
  readonly #limiter = new LogLimiter();
  readonly #counts: Partial<Record<DropReason, number>> = {};
  #total = 0;
  #telling = false;

  constructor(logger: LoggerService, onDrop?: (drop: ReportedDrop) => void, watchers?: EventWatchers) {
    this.#logger = logger;
    this.#onDrop = onDrop;
    this.#watchers = watchers;
  }

  get total(): number {
    return this.#total;
  }

  get byReason(): Partial<Record<DropReason, number>> {
    return { ...this.#counts };
  }

  dropped(drop: ReportedDrop): void {
    const { reason, event, detail } = drop;
    this.#total += 1;
    this.#counts[reason] = (this.#counts[reason] ?? 0) + 1;
    if (this.#watchers?.any) this.#watchers.tell('dropped', drop);
    const remedy = REMEDIES[reason];
    if (remedy === undefined) this.#debug(reason, `Event ${JSON.stringify(event)} dropped (${reason}): ${detail}`);
    else
      this.warn(
        `dropped: ${reason}`,
        `Event ${JSON.stringify(event)} dropped (${reason}): ${detail}. Remedy: ${remedy}.`,
      );
    // A callback that captures may cause the next drop, and so on for ever: that one is counted and logged only.
    if (this.#telling) return;
    this.#telling = true;
    this.tell('onDrop', this.#onDrop, drop);
    this.#telling = false;
  }

  /** An event goes on, but not as its caller has it. */
  warned(warning: string, event: string): void {
    if (this.#watchers?.any) this.#watchers.tell('warned', warning, event);
    this.warn(`input: ${warning}`, `Event ${JSON.stringify(event)}: ${warning}.`);
  }

  /** Nothing gets through for now. */
  stalled({ message, remedy }: SendFailure, pending: number): void {
    this.warn(
      `stalled: ${message}`,
      `${message}. ${pending} events are kept and will be sent when PostHog answers. Remedy: ${remedy}.`,
    );
  }

  /** Events are in memory only for now. */
  storeFailed(problem: string): void {
    this.warn(
      'store failed',
      `The store fails: ${problem}. Events captured from now on are in memory only, until it works again. ` +
        `Remedy: ${STORE_REMEDY}.`,
    );
  }

  storeWorks(): void {
    this.note('store works', 'The store works again and holds all that is pending.');
  }

  recovered(pending: number): void {
    this.note('recovered', `PostHog answers again; ${pending} events are on their way.`);
  }

  /** Good news. One line per kind and minute; of a kind, nothing before a colon may come from input. */
  note(kind: string, text: string): void {
    if (this.#limiter.pass(kind) !== null) this.#write('log', text);
  }

  /** Trouble. The same; the lines between are counted in the next. */
  warn(kind: string, text: string): void {
    const held = this.#limiter.pass(kind);
    if (held === null) return;
    this.#write('warn', held > 0 ? `${text} (${held} more since the last such line)` : text);
  }

  /** Calls a callback of the application, whose failure is its own. */
  tell<T>(name: string, callback: ((argument: T) => unknown) | undefined, argument: T): void {
    if (!callback) return;
    const failed = (): void => {
      this.warn(`callback: ${name}`, `${name} failed: it must not throw or reject. The events are not affected.`);
    };
    try {
      const answer = callback(argument);
      if (types.isPromise(answer)) answer.catch(failed);
    } catch {
      failed();
    }
  }

  #debug(kind: string, text: string): void {
    if (this.#limiter.pass(`dropped: ${kind}`) !== null) this.#write('debug', text);
  }

  /** A logger of the application may throw as well, or reject. */
  #write(level: 'log' | 'warn' | 'debug', text: string): void {
    try {
      const answer: unknown = this.#logger[level]?.(text);
      if (types.isPromise(answer)) answer.catch(() => undefined);
    } catch {
      // There is nowhere left to say it.
    }
  }
}
