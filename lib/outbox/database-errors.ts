import { type SendFailure } from '../delivery/delivery.js';
import { type OutboxTables } from './sql.js';

/**
 * `missing`: a table or a column does not exist. `dialect`: option `dialect` is wrong. `refused`: the user or the address of the database is
 * wrong, and retries will not help. `retryable`: any other error.
 */
type Kind = 'missing' | 'dialect' | 'refused' | 'retryable';

type Remedy = string | ((tables: OutboxTables) => string);

/** `inserting` is the remedy if it was an INSERT of an application that failed. Absent: its cause tells. */
type Entry = readonly [kind: Kind, message: string, remedy: Remedy, inserting?: Remedy];

/** An error of a database, as a relay reports it: without the original message, which may quote a statement or a value. */
export interface DatabaseProblem extends SendFailure {
  readonly kind: Kind;
  /** That of the database, or of its client. '' if it has none. */
  readonly code: string;
  /** The remedy if it was an INSERT of an application that failed. */
  readonly inserting: string;
}

const CREATE: Remedy = ({ command }) => `create it with the statements that ${command} prints`;
const COMPARE: Remedy = ({ command }) =>
  `compare its columns with those that ${command} prints; if it is a table of something else, choose another name with the option table`;
const CREDENTIALS = 'check user and password of the connection';
const REACH = 'check that the database is running and can be reached; events stay in the outbox until then';
const WAIT = 'nothing to do unless it lasts';

const NO_TABLE: Entry = ['missing', 'A table of the outbox does not exist', CREATE, CREATE];
const NO_COLUMN: Entry = ['missing', 'A table with the name of the outbox lacks a column', COMPARE, COMPARE];
const OTHER_COLUMNS: Entry = ['retryable', 'A table with the name of the outbox has other columns', COMPARE, COMPARE];
const NO_PERMISSION: Entry = [
  'refused',
  'The database user lacks a permission',
  'grant it SELECT, UPDATE and DELETE on the table of the outbox, and SELECT, INSERT, UPDATE and DELETE on that of the relays',
  'grant the user of the application INSERT on the table',
];
const NO_ACCESS: Entry = ['refused', 'The database refuses the user or the password', CREDENTIALS];
const NO_DATABASE: Entry = ['refused', 'The database does not exist', 'check its name in the connection'];
const READ_ONLY: Entry = ['retryable', 'The database is read-only', 'the address must be that of the primary'];
const COLUMN_NAMES: Entry = [
  'refused',
  'The client of the database returns rows with other column names',
  'give the relay a client that does not change the names of columns',
];
const FULL: Entry = ['retryable', 'The database has no free connection', 'raise its limit, or use a smaller pool'];
const DIALECT = 'set the option dialect to that of the database';
const SYNTAX: Entry = ['dialect', 'The database does not understand the statement', DIALECT, DIALECT];
const CONFLICT: Entry = [
  'retryable',
  'The database ended the transaction because of a conflict with another one',
  WAIT,
  'repeat the transaction; this error has the code of the database',
];
const ABORTED: Entry = [
  'retryable',
  'An earlier statement of the transaction has failed',
  WAIT,
  'roll back to a savepoint before the statement whose error was caught, or let the transaction fail',
];
const PACKET = 'raise max_allowed_packet of the database, or capture fewer or smaller events in the transaction';
const TOO_LARGE: Entry = ['retryable', 'The statement is larger than the database accepts', PACKET, PACKET];
const DOWN: Entry = ['retryable', 'The database cannot be reached', REACH];
const STARTS: Entry = ['retryable', 'The database starts or stops', WAIT];
const LATE: Entry = ['retryable', 'The database did not respond in time', REACH];
const UNKNOWN: Entry = ['retryable', 'The database returned an error', 'see its log; the statement is tried again'];

/** By the code of an error: of PostgreSQL, MySQL, SQLite, Prisma and Node.js. */
const CODES: Readonly<Record<string, Entry>> = {
  '42P01': NO_TABLE,
  ER_NO_SUCH_TABLE: NO_TABLE,
  P2021: NO_TABLE,
  '42703': NO_COLUMN,
  ER_BAD_FIELD_ERROR: NO_COLUMN,
  P2022: NO_COLUMN,
  '22001': OTHER_COLUMNS,
  '23502': OTHER_COLUMNS,
  '42804': OTHER_COLUMNS,
  ER_DATA_TOO_LONG: OTHER_COLUMNS,
  ER_NO_DEFAULT_FOR_FIELD: OTHER_COLUMNS,
  '42501': NO_PERMISSION,
  ER_TABLEACCESS_DENIED_ERROR: NO_PERMISSION,
  ER_COLUMNACCESS_DENIED_ERROR: NO_PERMISSION,
  '28P01': NO_ACCESS,
  '28000': NO_ACCESS,
  ER_ACCESS_DENIED_ERROR: NO_ACCESS,
  ER_DBACCESS_DENIED_ERROR: NO_ACCESS,
  P1000: NO_ACCESS,
  '3D000': NO_DATABASE,
  ER_BAD_DB_ERROR: NO_DATABASE,
  P1003: NO_DATABASE,
  '42601': SYNTAX,
  '42883': SYNTAX,
  ER_PARSE_ERROR: SYNTAX,
  ER_SP_DOES_NOT_EXIST: SYNTAX,
  '40001': CONFLICT,
  '40P01': CONFLICT,
  ER_LOCK_DEADLOCK: CONFLICT,
  P2034: CONFLICT,
  '25P02': ABORTED,
  ER_NET_PACKET_TOO_LARGE: TOO_LARGE,
  '25006': READ_ONLY,
  ER_OPTION_PREVENTS_STATEMENT: READ_ONLY,
  ER_READ_ONLY_MODE: READ_ONLY,
  SQLITE_READONLY: READ_ONLY,
  '53300': FULL,
  ER_CON_COUNT_ERROR: FULL,
  '57P01': STARTS,
  '57P02': STARTS,
  '57P03': STARTS,
  ER_SERVER_SHUTDOWN: STARTS,
  P1001: DOWN,
  P1002: DOWN,
  PROTOCOL_CONNECTION_LOST: DOWN,
  TIMEOUT: LATE,
  COLUMN_NAMES,
};

/** By message, of libraries without codes. */
const MESSAGES: readonly (readonly [RegExp, Entry])[] = [
  // In PostgreSQL, the name of a relation may follow that of a column.
  [/no such column|has no column named|unknown column|column .{1,130} does not exist/i, NO_COLUMN],
  [/no such table|relation .{1,130} does not exist|table .{1,130} doesn't exist/i, NO_TABLE],
  [/not null constraint failed/i, OTHER_COLUMNS],
  [/no such function/i, SYNTAX],
  [/connection (?:was |is )?(?:terminated|closed|ended|lost)|not (?:initialized|connected)|timeout exceeded/i, DOWN],
];

const MAX_DEPTH = 4;

/** Describes an error that a library threw. Never throws. */
export function describeDatabaseError(error: unknown, tables: OutboxTables): DatabaseProblem {
  const entries = chainOf(error).map(entryOf);
  const found = entries.find((entry) => entry !== null);
  const [kind, message, remedy, inserting = 'see the cause of this error'] = found?.[1] ?? UNKNOWN;
  const code = found?.[0] ?? chainOf(error).map(codeOf).find(Boolean) ?? '';
  return {
    kind,
    message: code === '' ? message : `${message} (${code})`,
    remedy: textOf(remedy, tables),
    inserting: textOf(inserting, tables),
    code,
    anySize: true,
  };
}

const textOf = (remedy: Remedy, tables: OutboxTables): string => (typeof remedy === 'string' ? remedy : remedy(tables));

function entryOf(error: object): readonly [code: string, entry: Entry] | null {
  const code = codeOf(error);
  const known = Object.hasOwn(CODES, code) ? CODES[code] : undefined;
  if (known) return [code, known];
  if (/^(?:08[\dA-Z]{3}|E(?!R_)[A-Z_]{3,20})$/.test(code)) return [code, DOWN];
  const { message } = error as { message?: unknown };
  const text = typeof message === 'string' ? message.slice(0, 1000) : '';
  const [, entry] = MESSAGES.find(([pattern]) => pattern.test(text)) ?? [];
  return entry ? [code, entry] : null;
}

/** Only what looks like a code: anything else may quote a value. */
function codeOf(error: object): string {
  const { code, originalCode } = error as { code?: unknown; originalCode?: unknown };
  const given = typeof code === 'string' ? code : originalCode;
  return typeof given === 'string' && /^(?:[A-Z\d]{5}|[A-Z][A-Z_\d]{2,49})$/.test(given) ? given : '';
}

/** The innermost error first: libraries wrap the error of the driver. */
function chainOf(error: unknown): object[] {
  const chain: object[] = [];
  let next: unknown = error;
  while (typeof next === 'object' && next !== null && chain.length < MAX_DEPTH) {
    chain.unshift(next);
    const { cause, driverError, original, parent, meta, driverAdapterError } = next as Record<string, unknown>;
    next = cause ?? driverError ?? original ?? parent ?? meta ?? driverAdapterError;
  }
  return chain;
}
