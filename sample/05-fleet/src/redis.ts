import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Starts a Redis with an append-only file, which `stop` deletes. */
export function startRedis(port: number): { stop(): void } {
  const folder = mkdtempSync(join(tmpdir(), 'fleet-'));
  const options = ['--port', `${port}`, '--bind', '127.0.0.1', '--appendonly', 'yes', '--save', '', '--dir', folder];
  // In a process group of its own: Ctrl-C would end it before the pods have handed over their events.
  const server = spawn('redis-server', options, { stdio: 'ignore', detached: true });
  server.on('error', () => {
    console.error('There is no redis-server on this machine: install it, or set REDIS_URL.');
    process.exit(1);
  });
  return {
    stop: () => {
      server.kill();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
