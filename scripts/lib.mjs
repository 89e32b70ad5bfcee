// Shared by the scripts of package.json. Uses only Node.js, because it runs before anything is installed.
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** The last file that the build writes. */
export const LIBRARY = 'dist/cjs/package.json';

const OLDEST_NODE = [20, 11];

/** Runs a command, by default in the repository's root and with this terminal, and resolves with its exit code. */
export function run(command, args, env = {}, { cwd = ROOT, stdio = 'inherit' } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd,
      stdio,
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

/** Installs the locked dependencies if they are missing. */
export async function ensureInstalled() {
  refuseOldNode();
  if (!isInstalled(ROOT)) {
    const { packages } = readLock(ROOT);
    console.log(
      `First run in this clone: installing ${paths(packages).length} packages for building and testing. This takes a few minutes.`,
    );
    await install(ROOT, packages);
  }
  // The samples import the package by name. Link that name to this repository.
  const self = join(ROOT, 'node_modules/nestjs-posthog-capture');
  if (existsSync(self)) return;
  // A dangling link, because the repository was moved.
  rmSync(self, { force: true });
  symlinkSync(ROOT, self, 'junction');
}

/** Returns true if `npm ci` has finished in a directory. */
export function isInstalled(folder) {
  return existsSync(join(folder, 'node_modules/.package-lock.json'));
}

export function readLock(folder) {
  return JSON.parse(readFileSync(join(folder, 'package-lock.json'), 'utf8'));
}

/** Runs `npm ci` in a directory and shows how many of the locked packages are installed. */
export async function install(folder, packages) {
  const wanted = paths(packages);
  const isTerminal = process.stdout.isTTY === true;
  const started = Date.now();
  let last = -1;
  const show = () => {
    const done = wanted.filter((path) => existsSync(join(folder, path, 'package.json'))).length;
    const seconds = Math.round((Date.now() - started) / 1000);
    const line = `  ${done} of ${wanted.length} packages, ${seconds} s`;
    if (isTerminal) process.stdout.write(`\r${line}`);
    else if (done !== last) console.log(line);
    last = done;
  };
  const timer = setInterval(show, isTerminal ? 500 : 5000);
  const args = ['ci', '--no-audit', '--no-fund', '--no-progress', '--loglevel=error'];
  const code = await run('npm', args, {}, { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] });
  clearInterval(timer);
  show();
  if (isTerminal) process.stdout.write('\n');
  if (code !== 0) process.exit(code);
}

/** The directories of the locked packages that npm installs on this platform. */
export function paths(packages) {
  const isFor = (list, value) =>
    list === undefined ||
    list.includes(value) ||
    (list.every((name) => name.startsWith('!')) && !list.includes(`!${value}`));
  return Object.entries(packages)
    .filter(([path, { os, cpu }]) => path !== '' && isFor(os, process.platform) && isFor(cpu, process.arch))
    .map(([path]) => path);
}

/** Builds the library if any of its sources is newer than the build. */
export async function ensureBuilt() {
  const sources = ['lib', 'tsconfig.base.json', 'tsconfig.esm.json', 'tsconfig.cjs.json', 'scripts/build.mjs'];
  if (isFresh(LIBRARY, sources)) return;
  console.log('Building the library …');
  await must(process.execPath, ['scripts/build.mjs']);
}

export function refuseOldNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  const [oldestMajor, oldestMinor] = OLDEST_NODE;
  if (major > oldestMajor || (major === oldestMajor && minor >= oldestMinor)) return;
  console.error(`This repository needs Node.js ${OLDEST_NODE.join('.')} or newer; this is ${process.version}.`);
  process.exit(1);
}

/** Returns true if a built file is newer than its sources, which are files or directories. */
export function isFresh(built, sources) {
  const builtAt = modifiedAt(join(ROOT, built));
  return builtAt > 0 && sources.every((source) => newest(join(ROOT, source)) < builtAt);
}

function newest(path) {
  // The modification time of a directory reflects deleted files.
  const own = modifiedAt(path);
  if (!existsSync(path) || !statSync(path).isDirectory()) return own;
  return readdirSync(path).reduce((latest, name) => Math.max(latest, newest(join(path, name))), own);
}

function modifiedAt(path) {
  return existsSync(path) ? statSync(path).mtimeMs : 0;
}
