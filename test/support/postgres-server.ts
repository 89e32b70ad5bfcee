import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe } from '@jest/globals';
import pg from 'pg';
import { DatabaseProcess, findProgram, postgresFolders } from './database-process.js';

const SERVER = findProgram('postgres', ...postgresFolders());
const INITDB = findProgram('initdb', ...postgresFolders());
const PGBOUNCER = findProgram('pgbouncer');
export const hasPgBouncer = PGBOUNCER !== null;
const hasPostgres = SERVER !== null && INITDB !== null;
if (!hasPostgres) console.warn('Skipped: tests with PostgreSQL. It is not installed on this machine.');
if (hasPostgres && !hasPgBouncer) console.warn('Skipped: tests with PgBouncer. It is not installed on this machine.');

/** `describe` where PostgreSQL is installed. */
export const describeWithPostgres: typeof describe.skip = hasPostgres ? describe : describe.skip;
/** `describe` where PostgreSQL and PgBouncer are installed. */
export const describeWithPgBouncer: typeof describe.skip = hasPostgres && hasPgBouncer ? describe : describe.skip;

/** The port is a part of the name of a socket only. */
const PORT = 5432;

/** A real PostgreSQL server in a directory of its own, reachable through a Unix domain socket, with user and database `postgres`. */
export class PostgresServer {
  readonly #process = new DatabaseProcess('postgres', 'postgres');
  readonly #bouncers: DatabaseProcess[] = [];
  readonly #pools: pg.Pool[] = [];

  /** Folder of the socket. */
  get host(): string {
    return this.#process.folder;
  }

  /** Options of a client of pg. */
  get connection(): { host: string; port: number; user: string; database: string } {
    return { host: this.host, port: PORT, user: 'postgres', database: 'postgres' };
  }

  get url(): string {
    return `postgres://postgres@localhost/postgres?host=${encodeURIComponent(this.host)}`;
  }

  /** A pool for the test itself. Closed by `stop`. */
  pool(options: pg.PoolConfig = {}): pg.Pool {
    const pool = new pg.Pool({ ...this.connection, ...options });
    pool.on('error', () => undefined);
    this.#pools.push(pool);
    return pool;
  }

  /** Creates the data directory. */
  async init(): Promise<void> {
    const data = join(this.host, 'data');
    await this.#process.run(INITDB ?? '', [
      '-D',
      data,
      '-A',
      'trust',
      '-U',
      'postgres',
      '-E',
      'UTF8',
      '--locale=C',
      '--no-sync',
    ]);
  }

  /** Resolves when the server accepts connections, after a crash also when it has recovered. */
  async start(): Promise<void> {
    const settings = ['listen_addresses=', 'fsync=off', 'max_connections=60', `unix_socket_directories=${this.host}`];
    const args = ['-D', join(this.host, 'data'), '-p', String(PORT), ...settings.flatMap((setting) => ['-c', setting])];
    await this.#process.start(SERVER ?? '', args, /ready to accept connections/);
  }

  /** What `pg_ctl stop -m immediate` does: like a crash. */
  crash(): Promise<void> {
    return this.#process.end('SIGQUIT');
  }

  /** Starts PgBouncer in transaction mode in front of the server. Returns options of a client of pg. */
  async bouncer(): Promise<PostgresServer['connection']> {
    const bouncer = new DatabaseProcess('pgbouncer', 'postgres');
    this.#bouncers.push(bouncer);
    const config = join(bouncer.folder, 'pgbouncer.ini');
    const settings = [
      `[databases]\n* = host=${this.host} port=${PORT} user=postgres`,
      '[pgbouncer]\npool_mode = transaction\nauth_type = any\ndefault_pool_size = 3',
      `unix_socket_dir = ${bouncer.folder}\nlisten_port = ${PORT}\n`,
    ];
    writeFileSync(config, settings.join('\n'));
    await bouncer.start(PGBOUNCER ?? '', [config], /process up/);
    return { ...this.connection, host: bouncer.folder };
  }

  async stop(): Promise<void> {
    await Promise.all(this.#pools.splice(0).map((pool) => pool.end()));
    for (const bouncer of this.#bouncers) await bouncer.end('SIGKILL');
    await this.crash();
    for (const one of [this.#process, ...this.#bouncers.splice(0)]) one.remove();
  }
}

export async function startPostgres(): Promise<PostgresServer> {
  const server = new PostgresServer();
  await server.init();
  await server.start();
  return server;
}
