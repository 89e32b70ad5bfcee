import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';

/** Runs a function with a Redis server of its own, which writes an append-only file as a queue should. Without Redis, says so. */
export async function withRedis(use) {
  if (spawnSync('redis-server', ['--version']).status !== 0) {
    console.log('Not measured: there is no redis-server on this machine.');
    return;
  }
  const folder = mkdtempSync(join(tmpdir(), 'posthog-capture-bench-redis-'));
  const path = join(folder, 's');
  const options = ['--port', '0', '--unixsocket', path, '--dir', folder, '--save', '', '--appendonly', 'yes'];
  const server = spawn('redis-server', options, { stdio: ['ignore', 'pipe', 'ignore'] });
  let client;
  try {
    await new Promise((resolve, reject) => {
      server.stdout.on('data', (chunk) => /ready to accept connections/i.test(String(chunk)) && resolve());
      server.once('exit', () => reject(new Error('redis-server did not start')));
    });
    client = new Redis({ path });
    await use(new MeasuredRedis(path, client, server));
  } finally {
    client?.disconnect();
    const exited = once(server, 'exit');
    server.kill('SIGKILL');
    await exited;
    rmSync(folder, { recursive: true, force: true });
  }
}

class MeasuredRedis {
  #client;
  #server;

  constructor(path, client, server) {
    this.path = path;
    this.#client = client;
    this.#server = server;
  }

  /** CPU time of the server in microseconds, its writing to the file included. */
  async cpuUs() {
    return 1e6 * ((await this.#number('cpu', 'used_cpu_user')) + (await this.#number('cpu', 'used_cpu_sys')));
  }

  /** Memory of the data, without buffers of clients. */
  async usedBytes() {
    const bytes = await this.#number('memory', 'used_memory_dataset');
    // Redis subtracts its overhead, and overflows if that is larger.
    return bytes > Number.MAX_SAFE_INTEGER ? 0 : bytes;
  }

  /** Number of relays that hold partitions. */
  async relays() {
    const owners = await this.#client.keys('*:owner');
    return owners.length === 0 ? 0 : new Set(await this.#client.mget(owners)).size;
  }

  clear() {
    return this.#client.flushall();
  }

  freeze() {
    this.#server.kill('SIGSTOP');
  }

  thaw() {
    this.#server.kill('SIGCONT');
  }

  async #number(section, name) {
    const info = await this.#client.info(section);
    return Number(new RegExp(`^${name}:(.*)`, 'm').exec(info)?.[1]);
  }
}
