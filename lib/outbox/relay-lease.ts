import { randomUUID } from 'node:crypto';
import { backgroundTimer, Sleepers, stopTimer, type Timer } from '../delivery/timers.js';
import { type Database } from './database.js';
import { type RelayStatements } from './relay-statements.js';

export interface LeaseTimes {
  /** A relay that is silent for this long has lost its lease. */
  readonly leaseMs: number;
  readonly renewMs: number;
}

const TIMES: LeaseTimes = { leaseMs: 15_000, renewMs: 5000 };
const RETRY_MS = 500;

interface Held {
  readonly owner: string;
  /** By the monotonic clock, counted from before the statement was sent. */
  validUntil: number;
}

/** The right to send the events of a project, which one relay has at a time. The clock is that of the database. */
export class RelayLease {
  readonly #database: Database;
  readonly #statements: RelayStatements;
  readonly #onLost: () => void;
  readonly #times: LeaseTimes;
  readonly #sleepers = new Sleepers();
  /** New for each lease: it tells whether another relay has held it in between. */
  #candidate = randomUUID();
  #held: Held | null = null;
  #renewing: Promise<void> | null = null;
  #timer: Timer | null = null;
  #isReleased = false;

  /** @param onLost called when another relay has it */
  constructor(database: Database, statements: RelayStatements, onLost: () => void, times = TIMES) {
    this.#database = database;
    this.#statements = statements;
    this.#onLost = onLost;
    this.#times = times;
  }

  get isHeld(): boolean {
    return this.#held !== null;
  }

  /** False while it is not certain that no other relay has it. */
  get isValid(): boolean {
    return this.#held !== null && performance.now() < this.#held.validUntil;
  }

  /** Resolves with true if it is held. Rejects if the database fails. */
  async take(): Promise<boolean> {
    if (this.#held) return true;
    if (this.#isReleased) return false;
    const owner = this.#candidate;
    await this.#database.write(this.#statements.take(owner, this.#times.leaseMs));
    const validUntil = await this.#validUntil(owner);
    if (validUntil === null || validUntil <= performance.now()) return false;
    this.#held = { owner, validUntil };
    this.#candidate = randomUUID();
    this.#renewLater();
    return true;
  }

  /** Returns nothing if it is valid, and otherwise a promise that resolves when it is, or when it is lost. */
  confirm(): Promise<void> | undefined {
    return this.#held && !this.isValid ? this.#renewUntilKnown(this.#held) : undefined;
  }

  /** Gives it up, so that another relay need not wait until it ends. Never rejects. */
  async release(): Promise<void> {
    this.#isReleased = true;
    stopTimer(this.#timer);
    this.#sleepers.wake(false);
    await this.#renewing;
    const owner = this.#held?.owner ?? this.#candidate;
    this.#held = null;
    await this.#database.write(this.#statements.release(owner)).catch(() => undefined);
  }

  /** null: another relay has it, or nobody. */
  async #validUntil(owner: string): Promise<number | null> {
    const sentAt = performance.now();
    const [row] = await this.#database.read(this.#statements.holder);
    const ms = Number(row?.ms);
    return row?.owner === owner && Number.isFinite(ms) ? sentAt + ms : null;
  }

  #renewLater(): void {
    this.#timer = backgroundTimer(() => {
      const held = this.#held;
      if (held)
        void this.#renew(held)
          // The sample reports what is wrong with the database.
          .catch(() => undefined)
          .then(() => {
            if (this.#held === held && !this.#isReleased) this.#renewLater();
          });
    }, this.#times.renewMs);
  }

  #renew(held: Held): Promise<void> {
    return (this.#renewing ??= this.#sendRenewal(held).finally(() => {
      this.#renewing = null;
    }));
  }

  async #sendRenewal(held: Held): Promise<void> {
    await this.#database.write(this.#statements.renew(held.owner, this.#times.leaseMs));
    const validUntil = await this.#validUntil(held.owner);
    if (validUntil !== null) held.validUntil = validUntil;
    else if (this.#held === held) {
      this.#held = null;
      stopTimer(this.#timer);
      this.#onLost();
    }
  }

  async #renewUntilKnown(held: Held): Promise<void> {
    while (this.#held === held && !this.isValid && !this.#isReleased) {
      const isRenewed = this.#renew(held).then(
        () => true,
        () => false,
      );
      if (!(await isRenewed)) await this.#sleepers.sleep(RETRY_MS);
    }
  }
}
