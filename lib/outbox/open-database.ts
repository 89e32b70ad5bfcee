import { requirePackage } from '../shared/require.js';
import { type OutboxDialect } from './sql.js';

/** A database that was opened by its URL. */
export interface OpenDatabase {
  readonly run: object;
  readonly dialect: OutboxDialect;
  readonly close: () => Promise<void>;
}

interface Pool {
  on(event: 'error', listener: () => void): unknown;
  end(): Promise<void>;
}

const CONNECTIONS = 4;
const CONNECT_MS = 5000;

/**
 * Opens a pool of connections with `pg` or `mysql2`. Nothing is connected before the first statement.
 *
 * @throws Error if the URL is of another kind, or the package is not installed
 */
export function openDatabase(url: string): OpenDatabase {
  const [, scheme = ''] = /^([a-z]{2,20}):\/\//i.exec(url) ?? [];
  const dialect = DIALECT_OF[scheme.toLowerCase()];
  if (!dialect) throw new Error('expected a URL that starts with postgres:// or mysql://');
  const pool = dialect === 'postgres' ? postgres(url) : mysql(url);
  // Of an idle connection. The next statement reports it.
  pool.on('error', () => undefined);
  return { run: pool, dialect, close: () => pool.end() };
}

const DIALECT_OF: Readonly<Record<string, 'postgres' | 'mysql'>> = {
  postgres: 'postgres',
  postgresql: 'postgres',
  mysql: 'mysql',
  mariadb: 'mysql',
};

function postgres(connectionString: string): Pool {
  const { Pool } = load<{ Pool: new (options: object) => Pool }>('pg');
  return new Pool({
    connectionString,
    max: CONNECTIONS,
    connectionTimeoutMillis: CONNECT_MS,
    keepAlive: true,
    application_name: 'posthog-capture',
  });
}

function mysql(url: string): Pool {
  const { createPool } = load<{ createPool: (options: object) => Pool }>('mysql2/promise');
  return createPool({
    uri: url.replace(/^mariadb:/i, 'mysql:'),
    connectionLimit: CONNECTIONS,
    connectTimeout: CONNECT_MS,
    supportBigNumbers: true,
    bigNumberStrings: true,
  });
}

function load<Module>(name: string): Module {
  try {
    return requirePackage(name) as Module;
  } catch {
    const [id = name] = name.split('/');
    throw new Error(`the package ${id} is not installed: run npm install ${id}`);
  }
}
