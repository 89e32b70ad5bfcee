// Shared by the scripts of package.json. Plain Node: it must run before anything is installed.
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** The last file that the build writes. */
export const LIBRARY = 'dist/cjs/package.json';

const OLDEST_NODE = [20, 11];

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
      resolve(code ?? 128 + (constants.signals[signal] ?? 0));
    });
  });
}

/** Like `run`, but ends this process when the command fails. */
export async function must(command, args, env) {
  const code = await run(command, args, env);
  if (code !== 0) process.exit(code);
}

/** Compiles a TypeScript project. */
export function compile(project) {
  return must(process.execPath, ['node_modules/typescript/bin/tsc', '-p', project]);
}

/** Installs the locked dependencies unless they are there. */
export async function ensureInstalled() {
  refuseOldNode();
  if (!existsSync(join(ROOT, 'node_modules/.package-lock.json'))) {
    console.log('Installing dependencies (once) …');
    await must('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error']);
  }
  // The samples import the package by its name, as an application would; here that is this repository.
  const self = join(ROOT, 'node_modules/nestjs-posthog-capture');
  if (existsSync(self)) return;
  // A link to where the repository was before it was moved.
  rmSync(self, { force: true });
  symlinkSync(ROOT, self, 'junction');
}

/** Builds the library unless what is built is newer than all it is made of. */
export async function ensureBuilt() {
  const sources = ['lib', 'tsconfig.base.json', 'tsconfig.esm.json', 'tsconfig.cjs.json', 'scripts/build.mjs'];
  if (isFresh(LIBRARY, sources)) return;
  console.log('Building the library …');
  await must(process.execPath, ['scripts/build.mjs']);
}

function refuseOldNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  const [oldestMajor, oldestMinor] = OLDEST_NODE;
  if (major > oldestMajor || (major === oldestMajor && minor >= oldestMinor)) return;
  console.error(`This repository needs Node.js ${OLDEST_NODE.join('.')} or newer; this is ${process.version}.`);
  process.exit(1);
}

/** Whether a built file is newer than everything it is made of: files, and folders with all that is in them. */
export function isFresh(built, sources) {
  const builtAt = modifiedAt(join(ROOT, built));
  return builtAt > 0 && sources.every((source) => newest(join(ROOT, source)) < builtAt);
}

function newest(path) {
  // A folder's own time tells of what was deleted from it.
  const own = modifiedAt(path);
  if (!existsSync(path) || !statSync(path).isDirectory()) return own;
  return readdirSync(path).reduce((latest, name) => Math.max(latest, newest(join(path, name))), own);
}

function modifiedAt(path) {
  return existsSync(path) ? statSync(path).mtimeMs : 0;
}
