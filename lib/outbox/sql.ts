import { type QueuedEvent } from '../delivery/delivery.js';
import { storable } from '../json/storable-text.js';
import { PostHogConfigurationError } from '../shared/configuration-error.js';

/** The SQL of a database: `mysql` is also that of MariaDB. */
export type OutboxDialect = 'postgres' | 'mysql' | 'sqlite';

export const DIALECTS: readonly OutboxDialect[] = ['postgres', 'mysql', 'sqlite'];
export const DEFAULT_TABLE = 'posthog_outbox';

/** A statement whose values are not in its text. */
export interface Statement {
  /** Each `?` is the place of one value. Contains no other question mark. */
  readonly text: string;
  readonly values: readonly (string | number)[];
}

/** The tables of an outbox, quoted. */
export interface OutboxTables {
  readonly dialect: OutboxDialect;
  /** One row per event. */
  readonly events: string;
  /** One row per project: the relay that sends its events. */
  readonly relay: string;
  /** Prints the statements that create these tables. */
  readonly command: string;
}

const SCHEMA_AND_TABLE = /^(?:[a-z_]\w{0,62}\.)?[a-z_]\w{0,55}$/i;

/** Completes "table: …". */
export const TABLE_RULE =
  'expected the name of a table, or schema.table: letters, digits and _, not starting with a digit, up to 56 characters';

/** @throws PostHogConfigurationError if the dialect or the name cannot be used */
export function outboxTables(dialect: OutboxDialect, table: string = DEFAULT_TABLE): OutboxTables {
  const problems = [...dialectProblems(dialect), ...tableProblems(table)];
  if (problems.length > 0) throw new PostHogConfigurationError(problems.map((problem) => `outbox: ${problem}`));
  const tableFlag = table === DEFAULT_TABLE ? '' : ` --table ${table}`;
  return {
    dialect,
    events: quote(dialect, table),
    relay: quote(dialect, `${table}_relay`),
    command: `npx posthog-capture outbox-sql --dialect ${dialect}${tableFlag}`,
  };
}

export function dialectProblems(dialect: unknown): string[] {
  return DIALECTS.includes(dialect as OutboxDialect)
    ? []
    : [`dialect: expected ${DIALECTS.map((known) => `"${known}"`).join(', ')} (mysql also for MariaDB)`];
}

export function tableProblems(table: unknown): string[] {
  return typeof table === 'string' && SCHEMA_AND_TABLE.test(table) ? [] : [`table: ${TABLE_RULE}`];
}

function quote(dialect: OutboxDialect, name: string): string {
  const mark = dialect === 'mysql' ? '`' : '"';
  return name
    .split('.')
    .map((part) => mark + part + mark)
    .join('.');
}

/** The statements of a migration, in order. Each is for one call of the database client. */
export interface OutboxSql {
  /** Creates the tables. */
  readonly up: readonly string[];
  /** Removes the tables, with the events in them. */
  readonly down: readonly string[];
}

/**
 * The statements that create and remove the tables of an outbox.
 *
 * @param table or `schema.table`. Default: `posthog_outbox`
 * @throws PostHogConfigurationError if the dialect or the name cannot be used
 */
export function outboxSql(dialect: OutboxDialect, table: string = DEFAULT_TABLE): OutboxSql {
  const { events, relay } = outboxTables(dialect, table);
  return { up: CREATE[dialect](events, relay), down: [`DROP TABLE ${relay}`, `DROP TABLE ${events}`] };
}

const MYSQL_OPTIONS = 'ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin';

/** The payload is text, not JSON: PostgreSQL refuses \u0000 in jsonb. Stored texts are compared by their bytes. */
const CREATE: Readonly<Record<OutboxDialect, (events: string, relay: string) => string[]>> = {
  postgres: (events, relay) => [
    `CREATE TABLE ${events} (
  seq bigint GENERATED ALWAYS AS IDENTITY,
  project varchar(80) NOT NULL,
  uuid varchar(64) NOT NULL,
  name varchar(200) NOT NULL,
  order_key varchar(200) NOT NULL,
  format varchar(16) NOT NULL,
  payload text NOT NULL,
  captured_at bigint NOT NULL,
  PRIMARY KEY (project, seq)
)`,
    `ALTER TABLE ${events} SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000)`,
    `CREATE TABLE ${relay} (
  project varchar(80) PRIMARY KEY,
  owner varchar(64) NOT NULL,
  until timestamptz NOT NULL
)`,
  ],
  mysql: (events, relay) => [
    `CREATE TABLE ${events} (
  seq bigint NOT NULL AUTO_INCREMENT,
  project varchar(80) NOT NULL,
  uuid varchar(64) NOT NULL,
  name varchar(200) NOT NULL,
  order_key varchar(200) NOT NULL,
  format varchar(16) NOT NULL,
  payload longtext NOT NULL,
  captured_at bigint NOT NULL,
  PRIMARY KEY (project, seq),
  UNIQUE KEY (seq)
) ${MYSQL_OPTIONS}`,
    `CREATE TABLE ${relay} (
  project varchar(80) NOT NULL PRIMARY KEY,
  owner varchar(64) NOT NULL,
  until datetime(3) NOT NULL
) ${MYSQL_OPTIONS}`,
  ],
  sqlite: (events, relay) => [
    `CREATE TABLE ${events} (
  seq integer PRIMARY KEY AUTOINCREMENT,
  project text NOT NULL,
  uuid text NOT NULL,
  name text NOT NULL,
  order_key text NOT NULL,
  format text NOT NULL,
  payload text NOT NULL,
  captured_at integer NOT NULL
)`,
    `CREATE TABLE ${relay} (
  project text NOT NULL PRIMARY KEY,
  owner text NOT NULL,
  until integer NOT NULL
)`,
  ],
};

/** The statements for migrations, with the default name of the table. */
export const OUTBOX_SQL: Readonly<Record<OutboxDialect, OutboxSql>> = {
  postgres: outboxSql('postgres'),
  mysql: outboxSql('mysql'),
  sqlite: outboxSql('sqlite'),
};

const COLUMNS = 'project, uuid, name, order_key, format, payload, captured_at';
const ROW = '(?, ?, ?, ?, ?, ?, ?)';
const MAX_TEXT = 200;

/** Inserts events in their order. PostgreSQL takes 65 535 values in a statement, and SQLite 32 766. */
export function insertOf(
  { events: table }: OutboxTables,
  project: (event: QueuedEvent) => string,
  events: readonly QueuedEvent[],
): Statement {
  const values: (string | number)[] = [];
  for (const event of events) {
    values.push(
      project(event),
      event.id,
      stored(event.name),
      stored(event.orderKey),
      event.format,
      event.payload,
      Math.trunc(event.capturedAt),
    );
  }
  return { text: `INSERT INTO ${table} (${COLUMNS}) VALUES ${ROW}${`, ${ROW}`.repeat(events.length - 1)}`, values };
}

/** Neither is sent: the name is for reports, and equal order keys stay equal. */
const stored = (text: string): string => storable(text.length > MAX_TEXT ? text.slice(0, MAX_TEXT) : text);
