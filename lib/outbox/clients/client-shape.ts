import { fieldOf } from '../../shared/untrusted-values.js';
import { type OutboxDialect, type Statement } from '../sql.js';

/** A row by column. Integers may be strings or bigints, which depends on the client. */
export type Row = Readonly<Record<string, unknown>>;

/** A database client, or a transaction of one. */
export interface SqlClient {
  /** Name of the package, for messages. */
  readonly name: string;
  /** Identifies the open transaction. null if the client is in none. */
  readonly transaction: object | null;
  /** How a transaction is opened. */
  readonly remedy: string;
  /** Statements may be started while another one of the transaction runs. */
  readonly queues: boolean;
  /** Runs a statement that returns rows. */
  read(statement: Statement): Promise<readonly Row[]>;
  /** Runs a statement that returns none. */
  write(statement: Statement): Promise<void>;
  /** `write` of a driver that is synchronous. Absent with all others. */
  readonly writeNow?: ((statement: Statement) => void) | undefined;
  /** Runs `work` in a new transaction. Absent if this client cannot open one. */
  readonly begin?: (<T>(work: (tx: object) => Promise<T>) => Promise<T>) | undefined;
}

export type Values = Statement['values'];
export type Execute = (text: string, values: Values, isRead: boolean) => unknown;

/** What is particular to a client. */
export interface ClientShape {
  readonly name: string;
  readonly transaction: object | null;
  readonly remedy: string;
  readonly execute: Execute;
  readonly begin?: SqlClient['begin'];
  /** `execute` is synchronous. Default: false. */
  readonly isSync?: boolean;
  /** As in SqlClient. Default: not with PostgreSQL, because pg 9 will refuse it. */
  readonly queues?: boolean;
  /** The client numbers the places of values: `$1`. Default: it does with PostgreSQL. */
  readonly numbers?: boolean;
}

/** Returns null if the handle is not of this client. */
export type Recognize = (handle: object, dialect: OutboxDialect) => ClientShape | null;

export const has = (handle: object, ...methods: readonly string[]): boolean =>
  methods.every((method) => typeof fieldOf(handle, method) === 'function');

export const call = (handle: unknown, method: string, ...args: readonly unknown[]): unknown =>
  Reflect.apply(fieldOf(handle, method) as () => unknown, handle, args);

export const objectAt = (handle: unknown, field: string): object | null => {
  const value = fieldOf(handle, field);
  return typeof value === 'object' ? value : null;
};

/** A method of the client that runs a function in a transaction. */
export const beginWith =
  (handle: unknown, method: string): NonNullable<SqlClient['begin']> =>
  <T>(work: (tx: object) => Promise<T>) =>
    call(handle, method, work) as Promise<T>;
