// Shared by the scripts of package.json. Plain Node: it must run before anything is installed.
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** Runs a command in the repository's root with this terminal, and resolves with its exit code. */
export function run(command, args, env = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: ROOT,
      stdio: 'inherit',
      env: { ...process.env, ...env },
      shell: process.platform === 'win32' && command === 'npm',
    });
    const forward = (signal) => child.kill(signal);
    process.on('SIGINT', forward).on('SIGTERM', forward);
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      process.off('SIGINT', forward).off('SIGTERM', forward);
      resolve(code ?? (signal ? 1 : 0));
    });
  });
}

/** Like `run`, but ends this process when the command fails. */
export async function must(command, args, env) {
  const code = await run(command, args, env);
  if (code !== 0) process.exit(code);
}

/** Installs the locked dependencies unless they are there. */
export async function ensureInstalled() {
  if (!existsSync(join(ROOT, 'node_modules/.package-lock.json'))) {
    console.log('Installing dependencies (once) …');
    await must('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error']);
  }
  // The samples import the package by its name, as an application would; here that is this repository.
  const self = join(ROOT, 'node_modules/nestjs-posthog-capture');
  if (!existsSync(self)) symlinkSync(ROOT, self, 'junction');
}

/** Whether `built` is there and newer than every file below `sources`. */
export function isFresh(built, sources) {
  if (!existsSync(join(ROOT, built))) return false;
  const at = statSync(join(ROOT, built)).mtimeMs;
  return sources.every((source) => newest(join(ROOT, source)) < at);
}

function newest(path) {
  const stat = statSync(path);
  if (!stat.isDirectory()) return stat.mtimeMs;
  return Math.max(0, ...readdirSync(path).map((name) => newest(join(path, name))));
}
