import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe } from '@jest/globals';
import { Redis } from 'ioredis';
import { freePort } from '../../sample/03-every-transport/test/redis.js';

export { freePort };

/** True if Redis is installed on this machine. */
const hasRedis = spawnSync('redis-server', ['--version']).status === 0;
if (!hasRedis) console.warn('Skipped: tests of the queue on Redis. There is no redis-server on this machine.');

/** `describe` where Redis is installed. */
export const describeWithRedis: typeof describe.skip = hasRedis ? describe : describe.skip;

/** A real Redis server in a directory of its own, reachable through a Unix domain socket. */
export class RedisServer {
  /** Path of the socket. */
  readonly path: string;
  readonly folder = mkdtempSync(join(tmpdir(), 'redis-'));
  readonly #options: readonly string[];
  readonly #clients: Redis[] = [];
  #process: ChildProcess | null = null;

  constructor(options: readonly string[]) {
    this.path = join(this.folder, 's');
    this.#options = options;
  }

  /** Connection options of ioredis. */
  get connection(): { path: string } {
    return { path: this.path };
  }

  /** A client for the test itself. Closed by `stop`. */
  client(options: object = {}): Redis {
    const client = new Redis({ path: this.path, protocol: 2, retryStrategy: () => 20, ...options });
    client.on('error', () => undefined);
    this.#clients.push(client);
    return client;
  }

  /** Resolves when the server accepts commands. */
  async start(): Promise<void> {
    const fixed = ['--port', '0', '--unixsocket', this.path, '--dir', this.folder, '--logfile', ''];
    const server = spawn('redis-server', [...fixed, ...this.#options], { stdio: ['ignore', 'pipe', 'ignore'] });
    this.#process = server;
    let output = '';
    await new Promise<void>((resolve, reject) => {
      server.stdout.on('data', (chunk) => {
        output += String(chunk);
        if (/ready to accept connections/i.test(output)) resolve();
      });
      server.once('exit', () => reject(new Error(`redis-server did not start: ${output}`)));
    });
  }

  /** Sends a signal: `SIGSTOP` and `SIGCONT` freeze and thaw it. */
  signal(signal: NodeJS.Signals): void {
    this.#process?.kill(signal);
  }

  /** Resolves when the process has ended. Its data stays. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const server = this.#process;
    this.#process = null;
    if (!server || server.exitCode !== null || server.signalCode !== null) return;
    const exited = once(server, 'exit');
    server.kill(signal);
    if (signal !== 'SIGKILL') server.kill('SIGCONT');
    await exited;
  }

  async restart(): Promise<void> {
    await this.kill();
    await this.start();
  }

  async stop(): Promise<void> {
    for (const client of this.#clients) client.disconnect();
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Starts a server. Without options it keeps everything in memory. */
export async function startRedis(...options: readonly string[]): Promise<RedisServer> {
  const server = new RedisServer(options.length > 0 ? options : ['--save', '', '--appendonly', 'no']);
  await server.start();
  return server;
}
