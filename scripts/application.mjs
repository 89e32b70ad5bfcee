// Creates applications with the package installed from its archive, for scripts that test it there.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, delimiter, dirname, join } from 'node:path';
import { ensureBuilt, ROOT } from './lib.mjs';

const IS_WINDOWS = process.platform === 'win32';

export const manifest = JSON.parse(readFileSync(`${ROOT}package.json`, 'utf8'));

/** Optional peers of which npm would install the wrong major for the version of Nest. The applications of the tests have them. */
export const PEERS_BY_NEST = ['@nestjs/axios', '@nestjs/config'];

/** Other optional peers, which only some sub-paths need. */
export const OPTIONAL_PEERS = Object.keys(manifest.peerDependenciesMeta).filter(
  (name) => !PEERS_BY_NEST.includes(name),
);

/** All import specifiers of the package. */
export const SUB_PATHS = Object.keys(manifest.exports)
  .filter((path) => !path.endsWith('.json'))
  .map((path) => manifest.name + path.slice(1));

/** Majors of other Nest packages for each major of Nest. */
const COMPANIONS = {
  10: { axios: 3, config: 3, 'event-emitter': 2, schedule: 4, cqrs: 10, swagger: 7 },
  11: { axios: 4, config: 4, 'event-emitter': 3, schedule: 6, cqrs: 11 },
  12: { axios: 12, config: 12, 'event-emitter': 12, schedule: 12, cqrs: 12 },
};

/** These packages in the versions of devDependencies. */
export function own(...names) {
  return Object.fromEntries(names.map((name) => [name, manifest.devDependencies[name]]));
}

/** Dependencies of an application for a major of Nest. `more` are short names of other Nest packages. */
export function nest(major, ...more) {
  const versions = ['common', 'core', 'axios', 'config', ...more].map((name) => [
    `@nestjs/${name}`,
    `^${COMPANIONS[major][name] ?? major}.0.0`,
  ]);
  return {
    ...Object.fromEntries(versions),
    ...own('axios', 'class-transformer', 'class-validator', 'reflect-metadata', 'rxjs'),
  };
}

/** All optional peers, in versions for a major of Nest. */
export function optionalPeers(major) {
  const prefix = '@nestjs/';
  const ofNest = OPTIONAL_PEERS.filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length));
  return { ...own(...OPTIONAL_PEERS), ...nest(major, ...ofNest) };
}

/** The required peers in the oldest supported versions. */
export function oldestPeers() {
  return Object.fromEntries(
    Object.entries(manifest.peerDependencies)
      .filter(([name]) => !OPTIONAL_PEERS.includes(name))
      .map(([name, range]) => [name, /\d+\.\d+\.\d+/.exec(range)[0]]),
  );
}

/** Temporary directory and running command of this process, both removed when it exits. */
let home;
let running;
process.once('exit', () => {
  stop(running);
  if (home !== undefined) rmSync(home, { recursive: true, force: true });
});
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));

/** Creates a temporary directory that is deleted when this process exits. */
export function newFolder(name) {
  home ??= mkdtempSync(join(tmpdir(), 'package-'));
  return mkdtempSync(join(home, `${name}-`));
}

let archive;

/** Packs the package once and returns the path of the archive. */
export function packed() {
  archive ??= pack(newFolder('archive'));
  return archive;
}

async function pack(folder) {
  await ensureBuilt();
  const args = ['pack', '--silent', '--ignore-scripts', '--pack-destination', folder];
  const { stdout } = await run(ROOT, 'npm', args);
  return join(folder, basename(stdout.trim().split('\n').at(-1)));
}

/** Creates a directory with these packages, and with the package itself unless `bare`. `type` is its module type. */
export async function install(name, dependencies, { bare = false, type = 'commonjs' } = {}) {
  const folder = newFolder(name);
  writeJson(folder, 'package.json', { name: 'application', private: true, type });
  await addPackages(folder, bare ? dependencies : { ...dependencies, [manifest.name]: `file:${await packed()}` });
  return folder;
}

/** Installs additional packages into the directory. */
export async function addPackages(folder, dependencies) {
  const its = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  writeJson(folder, 'package.json', { ...its, dependencies: { ...its.dependencies, ...dependencies } });
  await run(folder, 'npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error']);
}

/** Copies a directory or a file of this repository. */
export function copy(from, folder, to) {
  cpSync(join(ROOT, from), join(folder, to), { recursive: true });
}

export function write(folder, file, text) {
  mkdirSync(dirname(join(folder, file)), { recursive: true });
  writeFileSync(join(folder, file), text);
}

export function writeJson(folder, file, value) {
  write(folder, file, `${JSON.stringify(value, null, 2)}\n`);
}

/** The `type` of package.json for CommonJS or ES modules. */
export function typeOf(modules) {
  return modules === 'CommonJS' ? 'commonjs' : 'module';
}

/** TypeScript options of every application. */
export const STRICT = {
  target: 'es2022',
  lib: ['es2023'],
  types: ['node'],
  strict: true,
  skipLibCheck: false,
  experimentalDecorators: true,
  emitDecoratorMetadata: true,
};

/** swc options for Nest. */
export function swcOptions(module) {
  return {
    jsc: {
      target: 'es2022',
      parser: { syntax: 'typescript', decorators: true },
      transform: { legacyDecorator: true, decoratorMetadata: true },
      keepClassNames: true,
    },
    module: { type: module },
  };
}

/**
 * Runs a command and returns its output.
 *
 * @param command `node` runs the Node.js given as `node`
 * @param node path of a Node.js binary. Default: that of this process
 * @param show prints the output instead of returning it
 * @throws Error with the output, if the command fails or does not end within `timeoutMs`
 */
export async function run(
  folder,
  command,
  args,
  { node = process.execPath, env = {}, show, timeoutMs = 600_000 } = {},
) {
  const child = spawn(command === 'node' ? node : command, args, {
    cwd: folder,
    stdio: ['ignore', ...(show ? ['inherit', 'inherit'] : ['pipe', 'pipe'])],
    env: { ...process.env, PATH: `${dirname(node)}${delimiter}${process.env.PATH}`, ...env },
    shell: IS_WINDOWS && command !== 'node',
    // Its own process group, so that its children can be stopped with it.
    detached: !IS_WINDOWS,
  });
  running = child;
  const output = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'])
    child[stream]?.setEncoding('utf8').on('data', (text) => (output[stream] += text));
  let end;
  const timer = setTimeout(() => {
    end = `did not end within ${timeoutMs} ms`;
    stop(child);
  }, timeoutMs);
  const [code, signal] = await once(child, 'close');
  clearTimeout(timer);
  running = undefined;
  if (code === 0) return output;
  const words = [command, ...args].join(' ');
  throw new Error(`${words} ${end ?? `ended with ${code ?? signal}`}\n${output.stdout}${output.stderr}`);
}

function stop(child) {
  if (child?.pid === undefined) return;
  if (IS_WINDOWS) child.kill('SIGKILL');
  else process.kill(-child.pid, 'SIGKILL');
}
