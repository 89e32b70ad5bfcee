import { within } from '../delivery/timers.js';

/** A statement without a reply within this time counts as failed. It may be executed later. */
const TIMEOUT_MS = 10_000;

/** A row, by column. Drivers return big integers as strings, numbers or bigints. */
export type DatabaseRow = Readonly<Record<string, unknown>>;

/** Executes statements without parameters: each driver has other placeholders, and values of a relay are ids and numbers. */
export interface Database {
  read(sql: string): Promise<readonly DatabaseRow[]>;
  write(sql: string): Promise<void>;
}

/** Executes one statement outside of transactions. */
export type RunStatement = (sql: string) => unknown;

/** The database is an object of a library, or a function. */
export type DatabaseHandle = object | RunStatement;

type Methods = Readonly<Record<string, unknown>>;
type Caller = (...args: unknown[]) => unknown;

interface Shape {
  readonly matches: (handle: Methods) => boolean;
  readonly read: (handle: Methods, sql: string) => unknown;
  /** Default: `read`. */
  readonly write?: (handle: Methods, sql: string) => unknown;
}

const has = (handle: Methods, ...names: string[]): boolean => names.every((name) => typeof handle[name] === 'function');
const call = (handle: unknown, name: string, ...args: unknown[]): unknown =>
  ((handle as Methods)[name] as Caller).apply(handle, args);

/** In the order of preference. */
const SHAPES: readonly Shape[] = [
  {
    // Prisma
    matches: (handle) => has(handle, '$queryRawUnsafe', '$executeRawUnsafe'),
    read: (handle, sql) => call(handle, '$queryRawUnsafe', sql),
    write: (handle, sql) => call(handle, '$executeRawUnsafe', sql),
  },
  {
    // Knex, which is a function, and Objection
    matches: (handle) => has(handle, 'raw'),
    read: (handle, sql) => call(handle, 'raw', sql),
  },
  {
    // Kysely: what CompiledQuery.raw(sql) returns
    matches: (handle) => has(handle, 'executeQuery'),
    read: (handle, sql) =>
      call(handle, 'executeQuery', {
        query: { kind: 'RawNode', sqlFragments: [sql], parameters: [] },
        queryId: { queryId: 'posthog-outbox' },
        sql,
        parameters: [],
      }),
  },
  {
    // MikroORM: its EntityManager
    matches: (handle) => has(handle, 'getConnection') && !has(handle, 'query'),
    read: (handle, sql) => call(call(handle, 'getConnection'), 'execute', sql, [], 'all'),
    write: (handle, sql) => call(call(handle, 'getConnection'), 'execute', sql, [], 'run'),
  },
  {
    // TypeORM, Sequelize, and the pools of pg and mysql2
    matches: (handle) => has(handle, 'query'),
    read: (handle, sql) => call(handle, 'query', sql),
  },
  {
    // postgres.js, which is a function
    matches: (handle) => has(handle, 'unsafe'),
    read: (handle, sql) => call(handle, 'unsafe', sql),
  },
  {
    // better-sqlite3, node:sqlite, libsql
    matches: (handle) => has(handle, 'prepare'),
    read: (handle, sql) => call(call(handle, 'prepare', sql), 'all'),
    write: (handle, sql) => call(call(handle, 'prepare', sql), 'run'),
  },
  {
    // Drizzle, on SQLite
    matches: (handle) => has(handle, 'all', 'run') && !has(handle, 'execute'),
    read: (handle, sql) => call(handle, 'all', sql),
    write: (handle, sql) => call(handle, 'run', sql),
  },
  {
    // Drizzle, @libsql/client
    matches: (handle) => has(handle, 'execute'),
    read: (handle, sql) => call(handle, 'execute', sql),
  },
];

/** Completes "run: …". */
export const EXPECTED_HANDLE =
  'expected a DataSource of TypeORM, a PrismaClient, a Pool of pg or mysql2, or the client of another library ' +
  '(Drizzle, Knex, Kysely, MikroORM, Sequelize, postgres.js, better-sqlite3), or a function (sql) => rows';

/** Returns null if the handle has none of the known shapes. */
export function databaseOf(handle: unknown): Database | null {
  if ((typeof handle !== 'object' || handle === null) && typeof handle !== 'function') return null;
  const methods = handle as Methods;
  const shape = SHAPES.find(({ matches }) => matches(methods));
  if (!shape && typeof handle !== 'function') return null;
  const { read, write = read } = shape ?? { read: (_, sql) => (handle as RunStatement)(sql) };
  return {
    read: async (sql) => rowsOf(await answered(() => read(methods, sql))),
    write: async (sql) => {
      await answered(() => write(methods, sql));
    },
  };
}

/** Errors of libraries may be thrown. */
async function answered(run: () => unknown): Promise<unknown> {
  const late = Symbol('late');
  const answer = await within((async () => await run())(), TIMEOUT_MS, late);
  if (answer === late) throw Object.assign(new Error('no reply'), { code: 'TIMEOUT' });
  return answer;
}

/** The rows in what a library returns: `rows`, `{ rows }`, or `[rows, …]` of mysql2 and Sequelize. */
function rowsOf(result: unknown): readonly DatabaseRow[] {
  if (Array.isArray(result)) {
    const [first] = result as unknown[];
    return (Array.isArray(first) ? first : result) as readonly DatabaseRow[];
  }
  const { rows } = Object(result) as { rows?: unknown };
  return Array.isArray(rows) ? (rows as readonly DatabaseRow[]) : [];
}
