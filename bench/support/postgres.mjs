import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const ROOT = '/usr/lib/postgresql';

/** Runs a function with a PostgreSQL server of its own, which waits for the disk as in production. Without PostgreSQL, says so. */
export async function withPostgres(use) {
  const [version] = existsSync(ROOT) ? readdirSync(ROOT).sort((one, other) => other - one) : [];
  const bin = version === undefined ? '' : join(ROOT, version, 'bin');
  if (!existsSync(join(bin, 'initdb'))) {
    console.log('Not measured: PostgreSQL is not installed on this machine.');
    return;
  }
  const folder = mkdtempSync(join(tmpdir(), 'posthog-capture-bench-postgres-'));
  // It refuses to run as root.
  const isRoot = process.getuid() === 0;
  const idOf = (flag) => Number(spawnSync('id', [flag, 'postgres']).stdout.toString());
  const account = isRoot ? { uid: idOf('-u'), gid: idOf('-g') } : {};
  if (isRoot) chownSync(folder, account.uid, account.gid);
  const data = join(folder, 'data');
  const made = spawnSync(join(bin, 'initdb'), ['-D', data, '-A', 'trust', '-U', 'postgres'], {
    ...account,
    cwd: folder,
  });
  if (made.status !== 0) throw new Error(`initdb failed: ${made.stderr}`);
  const args = ['-D', data, '-c', 'listen_addresses=', '-c', `unix_socket_directories=${folder}`];
  const server = spawn(join(bin, 'postgres'), args, { ...account, cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
  try {
    await new Promise((resolve, reject) => {
      server.stderr.on('data', (chunk) => String(chunk).includes('ready to accept connections') && resolve());
      server.once('exit', () => reject(new Error('PostgreSQL did not start')));
    });
    await use({ host: folder, user: 'postgres', database: 'postgres' });
  } finally {
    const exited = once(server, 'exit');
    server.kill('SIGQUIT');
    await exited;
    rmSync(folder, { recursive: true, force: true });
  }
}
