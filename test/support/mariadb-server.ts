import { join } from 'node:path';
import { describe } from '@jest/globals';
import mysql from 'mysql2/promise';
import { DatabaseProcess, findProgram } from './database-process.js';

const SERVER = findProgram('mariadbd');
const INSTALL = findProgram('mariadb-install-db');
const hasMariaDb = SERVER !== null && INSTALL !== null;
if (!hasMariaDb) console.warn('Skipped: tests with MariaDB. It is not installed on this machine.');

/** `describe` where MariaDB is installed. */
export const describeWithMariaDb: typeof describe.skip = hasMariaDb ? describe : describe.skip;

/** A real MariaDB server in a directory of its own, reachable through a Unix domain socket, with user `root` and database `test`. */
export class MariaDbServer {
  readonly #process = new DatabaseProcess('mariadb', 'mysql');
  readonly #pools: mysql.Pool[] = [];

  get socketPath(): string {
    return join(this.#process.folder, 's');
  }

  /** Options of a client of mysql2. */
  get connection(): { socketPath: string; user: string; database: string } {
    return { socketPath: this.socketPath, user: 'root', database: 'test' };
  }

  get url(): string {
    return `mysql://root@localhost/test?socketPath=${encodeURIComponent(this.socketPath)}`;
  }

  /** A pool for the test itself. Closed by `stop`. */
  pool(options: mysql.PoolOptions = {}): mysql.Pool {
    const pool = mysql.createPool({ ...this.connection, ...options });
    this.#pools.push(pool);
    return pool;
  }

  async init(): Promise<void> {
    const data = `--datadir=${join(this.#process.folder, 'data')}`;
    await this.#process.run(INSTALL ?? '', ['--no-defaults', data, '--auth-root-authentication-method=normal']);
  }

  async start(): Promise<void> {
    const { folder } = this.#process;
    const files = [
      `--datadir=${join(folder, 'data')}`,
      `--socket=${this.socketPath}`,
      `--pid-file=${join(folder, 'pid')}`,
    ];
    const cheap = ['--skip-networking', '--innodb-flush-log-at-trx-commit=2', '--innodb-buffer-pool-size=32M'];
    await this.#process.start(SERVER ?? '', ['--no-defaults', ...files, ...cheap], /ready for connections/);
  }

  /** Kills the server. Committed transactions survive, because the operating system keeps running. */
  kill(): Promise<void> {
    return this.#process.end('SIGKILL');
  }

  async stop(): Promise<void> {
    await Promise.all(this.#pools.splice(0).map((pool) => pool.end()));
    await this.kill();
    this.#process.remove();
  }
}

export async function startMariaDb(): Promise<MariaDbServer> {
  const server = new MariaDbServer();
  await server.init();
  await server.start();
  return server;
}
