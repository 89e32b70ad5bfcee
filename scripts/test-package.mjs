// Installs the package from its archive into applications of each kind (test/package/kinds.mjs), and runs them: the fast core
// without arguments, everything with --all, or those whose names hold all words: npm run test:package -- "Nest 12" tsx
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { COMPILERS, KINDS } from '../test/package/kinds.mjs';
import {
  addPackages,
  copy,
  install,
  nest,
  oldestPeers,
  OPTIONAL_PEERS,
  own,
  run,
  STRICT,
  SUB_PATHS,
  swcOptions,
  write,
  writeJson,
} from './application.mjs';
import { ensureInstalled } from './lib.mjs';

/** Longest life of a program: it must end by itself. */
const LIFE_MS = 60_000;

await ensureInstalled();
const everything = process.argv.includes('--all');
const words = process.argv.slice(2).filter((argument) => !argument.startsWith('-'));
const core = words.length === 0 && !everything;
const kinds = KINDS.filter((kind) => (core ? kind.core : words.every((word) => kind.name.includes(word))));
assert.ok(kinds.length > 0, `no kind has ${words.join(' and ')} in its name`);

const tools = installTools();
let failures = 0;
for (const version of new Set(kinds.map((kind) => kind.nest))) {
  const its = kinds.filter((kind) => kind.nest === version);
  const folder = install(`nest-${version}`, packagesOf(version));
  for (const peer of OPTIONAL_PEERS) assert.ok(!existsSync(join(folder, 'node_modules', peer)), `${peer} is there`);
  for (const kind of its.filter(({ peers }) => !peers)) check(folder, kind);
  const withPeers = its.filter(({ peers }) => peers);
  if (withPeers.length > 0) addPackages(folder, own(...OPTIONAL_PEERS));
  for (const kind of withPeers) check(folder, kind);
}
console.log(`test:package: ${kinds.length - failures} kinds of applications are well, ${failures} are not`);
if (failures > 0) process.exitCode = 1;

function check(folder, kind) {
  const { name, nodes } = kind;
  const start = Date.now();
  try {
    const place = build(folder, kind);
    const used = (core ? nodes.slice(0, 1) : nodes).map((wanted) => runOn(wanted, folder, place, kind));
    const seconds = ((Date.now() - start) / 1000).toFixed(1);
    console.log(`✓ ${name}${used.length > 0 ? `: Node ${used.join(', ')}` : ''} (${seconds} s)`);
  } catch (error) {
    failures += 1;
    console.log(`✗ ${name}\n${error.message}`);
  }
}

/** Compiles the application into a folder of its own within the one that has its packages; returns where its programs are. */
function build(folder, { sources, modules, compiler, name }) {
  const place = name.replaceAll(/\W+/g, '-');
  const { typescript, module, resolution } = COMPILERS[compiler];
  writeJson(folder, `${place}/package.json`, { type: modules === 'CommonJS' ? 'commonjs' : 'module' });
  if (sources === 'types') writeImports(folder, `${place}/src`, module.startsWith('node'));
  else copy(`test/package/${sources}`, folder, `${place}/src`);
  const compilerOptions = { ...STRICT, module, moduleResolution: resolution, rootDir: 'src', outDir: 'dist' };
  // Fastify 4 needs it, and the types of this package must not.
  if (sources !== 'types') compilerOptions.esModuleInterop = true;
  writeJson(folder, `${place}/tsconfig.json`, { compilerOptions, include: ['src'] });
  if (compiler === 'tsx') return join(place, 'src');
  if (compiler === 'swc') compileWithSwc(join(folder, place), modules === 'CommonJS' ? 'commonjs' : 'es6');
  else run(folder, 'node', [join(tools, `node_modules/typescript-${typescript}/bin/tsc`), '-p', place]);
  return join(place, 'dist');
}

/** Runs the programs with a version of Node.js, which it returns. A program that is content is silent. */
function runOn(wanted, folder, place, { programs, modules, http, compiler }) {
  const node = core ? process.execPath : join(tools, `node_modules/node-${wanted}/bin/node`);
  const [ending, ...flags] =
    compiler === 'tsx' ? ['ts', '--import', join(tools, 'node_modules/tsx/dist/loader.mjs')] : ['js'];
  const env = {
    HTTP: http ?? '',
    BUILD: modules === 'CommonJS' ? 'cjs' : 'esm',
    // Only esbuild, which tsx is made of, does not write the types of parameters down.
    METADATA: compiler === 'tsx' ? '' : 'yes',
    TSX_TSCONFIG_PATH: join(folder, place, '../tsconfig.json'),
  };
  for (const program of programs) {
    const args = ['--trace-warnings', ...flags, join(place, `${program}.${ending}`)];
    const { stdout, stderr } = run(folder, 'node', args, { node, env, timeoutMs: LIFE_MS });
    assert.equal(stdout + stderr, '', `${program} on Node ${wanted} wrote something`);
  }
  return core ? process.versions.node : versionOf(`node-${wanted}`);
}

/** Imports of every name that the package has: in both kinds of modules where the compiler knows them by their files. */
function writeImports(folder, place, both) {
  const text = SUB_PATHS.map((path, index) => `export * as entry${index} from '${path}';\n`).join('');
  for (const ending of both ? ['mts', 'cts'] : ['ts']) write(folder, `${place}/every-sub-path.${ending}`, text);
}

function compileWithSwc(folder, module) {
  const { transformSync } = createRequire(join(tools, 'package.json'))('@swc/core');
  for (const file of readdirSync(join(folder, 'src'))) {
    const { code } = transformSync(readFileSync(join(folder, 'src', file), 'utf8'), swcOptions(module));
    write(folder, `dist/${file.replace(/\.ts$/, '.js')}`, code);
  }
}

function packagesOf(version) {
  const common = own('@types/node');
  if (version !== 'oldest') return { ...common, ...nest(version, 'platform-express', 'platform-fastify') };
  const peers = oldestPeers();
  return { ...common, ...peers, '@nestjs/platform-express': peers['@nestjs/common'] };
}

function versionOf(tool) {
  return JSON.parse(readFileSync(join(tools, 'node_modules', tool, 'package.json'), 'utf8')).version;
}

/** What compiles and runs applications but is no part of them. */
function installTools() {
  const compilers = new Set(kinds.map(({ compiler }) => compiler));
  const packages = {};
  for (const compiler of compilers) {
    const { typescript } = COMPILERS[compiler];
    if (typescript) packages[`typescript-${typescript}`] = `npm:typescript@~${typescript}.0`;
  }
  if (compilers.has('swc')) Object.assign(packages, own('@swc/core'));
  if (compilers.has('tsx')) packages.tsx = '^4.20.0';
  for (const node of core ? [] : new Set(kinds.flatMap(({ nodes }) => nodes))) {
    packages[`node-${node}`] = `npm:node-${process.platform}-${process.arch}@${node}`;
  }
  return install('tools', packages, { bare: true });
}
