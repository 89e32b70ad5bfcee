import { type QueuedEvent } from '../delivery/delivery.js';
import { type Recovery, type RecoveryRequest } from '../delivery/durability/event-store.js';
import { backgroundTimer, stopTimer, type Timer, within } from '../delivery/timers.js';
import { type QueueSource } from '../queue/capture-queue.js';
import { type DatabaseProblem, describeDatabaseError } from './database-errors.js';
import { type Database } from './database.js';
import { HeldRows } from './held-rows.js';
import { type LeaseTimes, RelayLease } from './relay-lease.js';
import { type RelayStatements, type SettledRow } from './relay-statements.js';

/** Interval at which an outbox that is empty or held by another relay is looked at. */
const IDLE_MS = 1000;
/** While events are in this process: there may be room for more before a request returns. */
const BUSY_MS = 20;
/** Interval at which rows are looked for that were committed late. */
const LATE_MS = 1000;
/** Rows that were answered for are deleted together. */
const DELETE_MS = 100;
const DELETED_ROWS = 1000;
const RETRY_MS = 1000;
/** Limit of the shutdown for a database that hangs. */
const CLOSE_MS = 4000;

export interface OutboxSourceOptions {
  readonly database: Database;
  readonly statementsOf: (project: string) => RelayStatements;
  readonly onClosed?: () => void;
  readonly times?: LeaseTimes;
}

const NOTHING: Recovery = { events: [], warnings: [] };

/**
 * Takes the events of a project from the table of an outbox, and deletes them once their fate is known. One relay at a time does so, and
 * others are ready to take over. Events are handed out in the order of their inserts.
 */
export class OutboxSource implements QueueSource {
  readonly #options: OutboxSourceOptions;
  #project: string | null = null;
  #statements: RelayStatements | null = null;
  #lease: RelayLease | null = null;
  #rows: HeldRows | null = null;
  #onGone: RecoveryRequest['onGone'];
  #warnings: string[] = [];
  /** By what failed last. */
  readonly #failures = new Map<'take' | 'delete', DatabaseProblem>();
  #isClosed = false;
  #lookedForLateAt = performance.now();
  #deletions: SettledRow[] = [];
  #deleting: Promise<void> | null = null;
  #timer: Timer | null = null;

  constructor(options: OutboxSourceOptions) {
    this.#options = options;
  }

  /** That of `recover`; null before its first call. */
  get project(): string | null {
    return this.#project;
  }

  get isActive(): boolean {
    return this.#lease?.isHeld ?? false;
  }

  /** What is wrong with the database; null if all is well. */
  get failure(): DatabaseProblem | null {
    return this.#failures.get('take') ?? this.#failures.get('delete') ?? null;
  }

  /** Rows that cannot be read and could not be set aside; null if there are none. */
  get damage(): { readonly problem: DatabaseProblem; readonly isBlocking: boolean } | null {
    const problem = this.#rows?.damage;
    return problem ? { problem, isBlocking: this.#rows?.isBlocked === true } : null;
  }

  get lookAgainMs(): number {
    return this.#rows?.isIdle === false ? BUSY_MS : IDLE_MS;
  }

  async recover({ project, maxEvents, maxBytes, onGone }: RecoveryRequest): Promise<Recovery> {
    this.#onGone = onGone;
    if (this.#isClosed) return NOTHING;
    const lease = this.#leaseOf(project);
    const events: QueuedEvent[] = [];
    let more = false;
    try {
      if (await lease.take()) {
        this.#rows ??= this.#newRows(project);
        more = await this.#take(this.#rows, events, maxEvents, maxBytes);
      }
      this.#failures.delete('take');
    } catch (error) {
      this.#failed('take', error);
    }
    const warnings = this.#warnings;
    this.#warnings = [];
    return { events, warnings, more };
  }

  remove(events: readonly QueuedEvent[]): undefined {
    const settled = this.#rows?.settle(events) ?? [];
    if (settled.length === 0) return;
    for (const row of settled) this.#deletions.push(row);
    if (this.#deletions.length >= DELETED_ROWS) void this.#deleteNow();
    else this.#deleteLater(DELETE_MS);
  }

  confirm(): Promise<void> | undefined {
    return this.#lease?.confirm();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    const ended = async (): Promise<void> => {
      await this.#rows?.read;
      await this.#deleteNow();
      await this.#lease?.release();
    };
    await within(ended(), CLOSE_MS, undefined);
    stopTimer(this.#timer);
    this.#rows?.lose();
    this.#rows = null;
    this.#options.onClosed?.();
  }

  #leaseOf(project: string): RelayLease {
    if (this.#lease && this.#project !== project)
      throw new Error('it is in use by a relay with another key or host: give each a source of its own');
    this.#project = project;
    const { database, statementsOf, times } = this.#options;
    this.#statements ??= statementsOf(project);
    return (this.#lease ??= new RelayLease(database, this.#statements, () => this.#lose(), times));
  }

  #newRows(project: string): HeldRows {
    const { database, statementsOf } = this.#options;
    return new HeldRows(database, statementsOf(project), {
      onDamaged: () => this.#warnings.push(DAMAGED),
      isCertain: () => this.#lease?.isValid === true,
    });
  }

  /** Returns true if there may be more. */
  async #take(rows: HeldRows, events: QueuedEvent[], maxEvents: number, maxBytes: number): Promise<boolean> {
    const room = { events: maxEvents, bytes: maxBytes };
    if (room.events < 1) return false;
    if (performance.now() - this.#lookedForLateAt >= LATE_MS) {
      this.#lookedForLateAt = performance.now();
      await rows.setAside();
      if (rows.hasRoom) await rows.readLate();
    }
    while (!this.#isClosed && this.#rows === rows) {
      if (!rows.handOut(events, room) || events.length > 0 || !rows.hasRoom) break;
      if (!(await rows.readNext())) break;
    }
    if (this.#isClosed || this.#rows !== rows) {
      events.length = 0;
      return false;
    }
    // While these events are sent.
    if (rows.isMore && rows.hasRoom && !rows.isWaiting) void rows.readNext().catch(() => rows.startOver());
    return events.length > 0 && rows.isMore && room.events > 0 && rows.hasRoom;
  }

  #deleteLater(ms: number): void {
    this.#timer ??= backgroundTimer(() => void this.#deleteNow(), ms);
  }

  /** Deletes rows whose events are settled. What fails is repeated. Never rejects. */
  async #deleteNow(): Promise<void> {
    stopTimer(this.#timer);
    this.#timer = null;
    await this.#deleting;
    if (this.#deletions.length === 0) return;
    this.#deleting ??= this.#deleteAll().finally(() => {
      this.#deleting = null;
    });
    await this.#deleting;
  }

  async #deleteAll(): Promise<void> {
    const [rows, statements] = [this.#rows, this.#statements];
    while (this.#deletions.length > 0 && rows && statements) {
      await this.#lease?.confirm();
      if (this.#rows !== rows) return;
      const settled = this.#deletions.splice(0, DELETED_ROWS);
      try {
        await this.#options.database.write(statements.delete(settled));
        rows.deleted(settled.map(({ seq }) => seq));
        this.#failures.delete('delete');
      } catch (error) {
        if (this.#rows === rows) this.#deletions.unshift(...settled);
        this.#failed('delete', error);
        break;
      }
    }
    if (this.#deletions.length > 0 && !this.#isClosed) this.#deleteLater(RETRY_MS);
  }

  /** Another relay sends these events now. */
  #lose(): void {
    const gone = this.#rows?.lose() ?? [];
    this.#rows = null;
    this.#deletions = [];
    if (gone.length > 0) this.#onGone?.(gone);
  }

  #failed(what: 'take' | 'delete', error: unknown): void {
    const isKnown = this.#failures.has(what);
    if (what === 'take' && !isKnown) this.#rows?.startOver();
    if (!this.#statements) return;
    const problem = describeDatabaseError(error, this.#statements.tables);
    this.#failures.set(what, problem);
    if (!isKnown && !this.#isClosed) this.#warnings.push(`${problem.message}: ${problem.remedy}.`);
  }
}

const DAMAGED =
  'The outbox contained rows that cannot be read. They are still in the table, with "+damaged" at the end of their project, and the ' +
  'others are sent.';
