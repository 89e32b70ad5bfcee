// Applications as users have them, with the package installed from its archive: for the scripts that look how it does there.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, delimiter, dirname, join } from 'node:path';
import { ensureBuilt, ROOT } from './lib.mjs';

const IS_WINDOWS = process.platform === 'win32';

export const manifest = JSON.parse(readFileSync(`${ROOT}package.json`, 'utf8'));

/** Optional for npm, which would install a major for another version of Nest, but every application needs them. */
const PEERS_BY_NEST = ['@nestjs/axios', '@nestjs/config'];

/** Every peer that an application may do without. */
export const OPTIONAL_PEERS = Object.keys(manifest.peerDependenciesMeta).filter(
  (name) => !PEERS_BY_NEST.includes(name),
);

/** The names by which code can be imported from the package. */
export const SUB_PATHS = Object.keys(manifest.exports)
  .filter((path) => !path.endsWith('.json'))
  .map((path) => manifest.name + path.slice(1));

/** Majors of Nest's other packages that go with one of Nest. */
const COMPANIONS = {
  10: { axios: 3, config: 3, 'event-emitter': 2, schedule: 4, cqrs: 10, swagger: 7 },
  11: { axios: 4, config: 4, 'event-emitter': 3, schedule: 6, cqrs: 11 },
  12: { axios: 12, config: 12, 'event-emitter': 12, schedule: 12, cqrs: 12 },
};

/** These packages in the versions that are developed with. */
export function own(...names) {
  return Object.fromEntries(names.map((name) => [name, manifest.devDependencies[name]]));
}

/** What an application of a major version of Nest has, and more packages of Nest by their short names. */
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

/** All optional peers, in versions that go with one of Nest. */
export function optionalPeers(major) {
  const prefix = '@nestjs/';
  const ofNest = OPTIONAL_PEERS.filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length));
  return { ...own(...OPTIONAL_PEERS), ...nest(major, ...ofNest) };
}

/** The oldest versions that the package allows, of all peers that it needs. */
export function oldestPeers() {
  return Object.fromEntries(
    Object.entries(manifest.peerDependencies)
      .filter(([name]) => !OPTIONAL_PEERS.includes(name))
      .map(([name, range]) => [name, /\d+\.\d+\.\d+/.exec(range)[0]]),
  );
}

/** All folders of this process, and the command that it runs: both gone when it ends. */
let home;
let running;
process.once('exit', () => {
  stop(running);
  if (home !== undefined) rmSync(home, { recursive: true, force: true });
});
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));

/** A new folder, which goes away with this process at the latest. */
export function newFolder(name) {
  home ??= mkdtempSync(join(tmpdir(), 'package-'));
  return mkdtempSync(join(home, `${name}-`));
}

let archive;

/** The path of the package's archive, packed once in this process. */
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

/** A new folder with these packages, and with the package itself unless `bare`; `type` is that of its modules. */
export async function install(name, dependencies, { bare = false, type = 'commonjs' } = {}) {
  const folder = newFolder(name);
  writeJson(folder, 'package.json', { name: 'application', private: true, type });
  await addPackages(folder, bare ? dependencies : { ...dependencies, [manifest.name]: `file:${await packed()}` });
  return folder;
}

/** Installs more packages into the folder. */
export async function addPackages(folder, dependencies) {
  const its = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  writeJson(folder, 'package.json', { ...its, dependencies: { ...its.dependencies, ...dependencies } });
  await run(folder, 'npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error']);
}

/** Copies a folder or a file of this repository. */
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

/** What `type` in package.json says of modules that are CommonJS or ES modules. */
export function typeOf(modules) {
  return modules === 'CommonJS' ? 'commonjs' : 'module';
}

/** The options of TypeScript that every application here has. */
export const STRICT = {
  target: 'es2022',
  lib: ['es2023'],
  types: ['node'],
  strict: true,
  skipLibCheck: false,
  experimentalDecorators: true,
  emitDecoratorMetadata: true,
};

/** Settings of swc that compile what Nest needs. */
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
 * Runs a command to its end and returns what it wrote.
 *
 * @param command `node` stands for a Node.js
 * @param node that Node.js; default: the one of this process
 * @param show shows the output instead of returning it
 * @throws when it fails or does not end in time, with all that it wrote
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
    // A group of its own, so that what it has started ends with it.
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
