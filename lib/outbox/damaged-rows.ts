import { type DatabaseProblem, describeDatabaseError } from './database-errors.js';
import { type Database } from './database.js';
import { type RelayStatements } from './relay-statements.js';

/** Number of rows in one statement. */
const MAX_ROWS = 1000;

/** Rows that cannot be read. They are given to a project without a relay; if that fails, they stay where they are until it succeeds. */
export class DamagedRows {
  readonly #database: Database;
  readonly #statements: RelayStatements;
  readonly #isCertain: () => boolean;
  /** The seqs of those that were not set aside. */
  readonly #left = new Set<string>();
  #failure: DatabaseProblem | null = null;

  /** @param isCertain false while another relay may have the lease */
  constructor(database: Database, statements: RelayStatements, isCertain: () => boolean) {
    this.#database = database;
    this.#statements = statements;
    this.#isCertain = isCertain;
  }

  /** Number of rows that are left where they are. */
  get size(): number {
    return this.#left.size;
  }

  /** The reason why rows could not be set aside; null if none is left. */
  get failure(): DatabaseProblem | null {
    return this.#left.size === 0 ? null : this.#failure;
  }

  add(seqs: readonly string[]): void {
    for (const seq of seqs) this.#left.add(seq);
  }

  /** Returns the rows that were left, which may be others by now. */
  forget(): string[] {
    const seqs = [...this.#left];
    this.#left.clear();
    return seqs;
  }

  /** Returns the rows that it has set aside. Never rejects. */
  async setAside(): Promise<string[]> {
    const done: string[] = [];
    while (this.#left.size > 0 && this.#isCertain()) {
      const seqs = [...this.#left].slice(0, MAX_ROWS);
      try {
        await this.#database.write(this.#statements.setAside(seqs));
      } catch (error) {
        this.#failure = describeDatabaseError(error, this.#statements.tables);
        break;
      }
      for (const seq of seqs) this.#left.delete(seq);
      done.push(...seqs);
    }
    return done;
  }
}
