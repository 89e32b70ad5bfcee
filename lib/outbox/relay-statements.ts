import { type SeqRange } from './seq-gaps.js';
import { type OutboxDialect, type OutboxTables } from './sql.js';

/** The columns that a relay reads. Their names have no underscores, because clients may be configured to return names in camel case. */
const COLUMNS = 'seq, uuid, name, order_key AS orderkey, format, payload, captured_at AS capturedat';
/** Ids of projects, relays and events, which statements contain as they are. */
const ID = /^[\w.:+-]{1,80}$/;
const SEQ = /^\d{1,19}$/;

/** A row whose event has its fate. */
export interface SettledRow {
  readonly seq: string;
  readonly uuid: string;
}

interface Clock {
  /** The time of the database. */
  readonly now: string;
  readonly after: (ms: number) => string;
  /** Milliseconds until a time in column `until`. */
  readonly left: string;
}

/** Of the database, because those of relays differ. Not in the time zone of the connection, which may differ as well. */
const CLOCKS: Readonly<Record<OutboxDialect, Clock>> = {
  postgres: {
    now: 'clock_timestamp()',
    after: (ms) => `clock_timestamp() + interval '${ms} milliseconds'`,
    left: 'CAST(EXTRACT(EPOCH FROM until - clock_timestamp()) * 1000 AS bigint)',
  },
  mysql: {
    now: 'UTC_TIMESTAMP(3)',
    after: (ms) => `UTC_TIMESTAMP(3) + INTERVAL ${ms * 1000} MICROSECOND`,
    left: 'TIMESTAMPDIFF(MICROSECOND, UTC_TIMESTAMP(3), until) DIV 1000',
  },
  sqlite: {
    now: "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)",
    after: (ms) => `CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) + ${ms}`,
    left: "until - CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)",
  },
};

/**
 * The statements of a relay, for one project. They have no parameters, so that every library, and PgBouncer in transaction mode, takes
 * them: ids are checked, and everything else is a number.
 */
export class RelayStatements {
  readonly tables: OutboxTables;
  readonly #dialect: OutboxDialect;
  readonly #events: string;
  readonly #relay: string;
  readonly #project: string;
  /** Selects the rows of this project that this version can read: those of a newer one are left alone. */
  readonly #own: string;
  readonly #unknown: string;

  /** @param formats those of events that can be read */
  constructor(tables: OutboxTables, project: string, formats: readonly string[]) {
    const { dialect, events, relay } = tables;
    if (!ID.test(project)) throw new Error('the id of a project has 1 to 80 letters, digits or _.:+-');
    this.tables = tables;
    this.#dialect = dialect;
    this.#events = events;
    this.#relay = relay;
    this.#project = project;
    const known = formats.map((format) => `'${format}'`).join(', ');
    this.#own = `project = '${project}' AND format IN (${known})`;
    this.#unknown = `project = '${project}' AND format NOT IN (${known})`;
  }

  /** Fails if a table or a column is missing, or the dialect is wrong: those of PostgreSQL and SQLite differ in their clocks. */
  get checks(): readonly string[] {
    return [
      `SELECT ${CLOCKS[this.#dialect].now}`,
      `SELECT ${COLUMNS}, project FROM ${this.#events} WHERE 1 = 0`,
      `SELECT project, owner, until FROM ${this.#relay} WHERE 1 = 0`,
    ];
  }

  next(after: string, limit: number): string {
    return `SELECT ${COLUMNS} FROM ${this.#events} WHERE ${this.#own} AND seq > ${seqOf(after)} ORDER BY seq LIMIT ${limit}`;
  }

  seqsUpTo(seq: string, limit: number): string {
    return `SELECT seq FROM ${this.#events} WHERE ${this.#own} AND seq <= ${seqOf(seq)} ORDER BY seq LIMIT ${limit}`;
  }

  rows(seqs: readonly string[]): string {
    return `SELECT ${COLUMNS} FROM ${this.#events} WHERE ${this.#own} AND ${among(seqs)} ORDER BY seq`;
  }

  seqsWithin(ranges: readonly SeqRange[], limit: number): string {
    const conditions = ranges.map(({ from, to }) => `seq BETWEEN ${seqOf(String(from))} AND ${seqOf(String(to))}`);
    return `SELECT seq FROM ${this.#events} WHERE ${this.#own} AND (${conditions.join(' OR ')}) ORDER BY seq LIMIT ${limit}`;
  }

  /**
   * Compares uuids as well, because another row may have the number of one that was lost in a failover; not if one of them cannot be a part
   * of a statement.
   */
  delete(rows: readonly SettledRow[]): string {
    const seqs = rows.map(({ seq }) => seq);
    const uuids = rows.map(({ uuid }) => uuid);
    const ofThese = uuids.every((uuid) => ID.test(uuid))
      ? ` AND uuid IN (${uuids.map((uuid) => `'${uuid}'`).join(',')})`
      : '';
    return `DELETE FROM ${this.#events} WHERE project = '${this.#project}' AND ${among(seqs)}${ofThese}`;
  }

  /** Gives rows that cannot be read to a project without a relay. */
  setAside(seqs: readonly string[]): string {
    return `UPDATE ${this.#events} SET project = '${this.#project}+damaged' WHERE project = '${this.#project}' AND ${among(seqs)}`;
  }

  /** Number of events and time of the first capture, of at most `limit` rows. */
  depth(limit: number): string {
    return (
      'SELECT COUNT(*) AS events, MIN(captured_at) AS oldest FROM ' +
      `(SELECT captured_at FROM ${this.#events} WHERE ${this.#own} ORDER BY seq LIMIT ${limit}) waiting`
    );
  }

  get newer(): string {
    return `SELECT seq FROM ${this.#events} WHERE ${this.#unknown} LIMIT 1`;
  }

  get damaged(): string {
    return `SELECT seq FROM ${this.#events} WHERE project = '${this.#project}+damaged' LIMIT 1`;
  }

  /** Takes the lease if nobody holds it. */
  take(owner: string, ms: number): string {
    const { now, after } = CLOCKS[this.#dialect];
    const values = `(project, owner, until) VALUES ('${this.#project}', '${idOf(owner)}', ${after(ms)})`;
    // Assignments are executed from left to right: the second one sees the new owner.
    if (this.#dialect === 'mysql')
      return (
        `INSERT INTO ${this.#relay} ${values} ON DUPLICATE KEY UPDATE owner = IF(until < ${now}, VALUES(owner), owner), ` +
        'until = IF(owner = VALUES(owner), VALUES(until), until)'
      );
    return (
      `INSERT INTO ${this.#relay} AS lease ${values} ON CONFLICT (project) DO UPDATE SET owner = excluded.owner, until = excluded.until ` +
      `WHERE lease.until < ${now}`
    );
  }

  /** Not `take`: if another relay has held the lease meanwhile, it is lost, even if it is free again. */
  renew(owner: string, ms: number): string {
    const until = CLOCKS[this.#dialect].after(ms);
    return `UPDATE ${this.#relay} SET until = ${until} WHERE project = '${this.#project}' AND owner = '${idOf(owner)}'`;
  }

  /** The holder of the lease, and for how many milliseconds it is valid. */
  get holder(): string {
    return `SELECT owner, ${CLOCKS[this.#dialect].left} AS ms FROM ${this.#relay} WHERE project = '${this.#project}'`;
  }

  release(owner: string): string {
    return `DELETE FROM ${this.#relay} WHERE project = '${this.#project}' AND owner = '${idOf(owner)}'`;
  }
}

function among(seqs: readonly string[]): string {
  return `seq IN (${seqs.map(seqOf).join(',')})`;
}

function seqOf(seq: string): string {
  if (!SEQ.test(seq)) throw new Error('a seq is a whole number');
  return seq;
}

function idOf(id: string): string {
  if (!ID.test(id)) throw new Error('the id of a relay has letters, digits and -');
  return id;
}
