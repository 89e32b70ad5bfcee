// Compiles an application of test/package/kinds.mjs in a directory with its packages, and runs its programs.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  copy,
  manifest,
  run,
  STRICT,
  SUB_PATHS,
  swcOptions,
  typeOf,
  write,
  writeJson,
} from '../../scripts/application.mjs';
import { COMPILERS } from './kinds.mjs';

/** Its types are those of another package. */
const BRIDGE = `${manifest.name}/posthog-node`;
/** Time within which a program must end. */
const LIFE_MS = 60_000;

/**
 * @param folder directory in which `packagesOf` the application are installed
 * @param nodes versions of Node.js to run it on, or undefined for the one of this process
 * @returns the versions of Node.js that ran it
 */
export async function runApplication(folder, kind, tools, nodes) {
  const programs = await compile(folder, kind, tools);
  const used = nodes.map((wanted) => tools.node(wanted));
  for (const node of used) {
    for (const program of kind.programs) await runProgram(folder, join(programs, program), kind, tools, node);
  }
  return used.map((node) => node.version);
}

/** Compiles into a subdirectory of the installation and returns the directory of the programs. */
async function compile(folder, { sources, modules, compiler, name }, tools) {
  const { typescript, module, resolution, swc, tsx } = COMPILERS[compiler];
  const place = name.replaceAll(/\W+/g, '-');
  writeJson(folder, `${place}/package.json`, { type: typeOf(modules) });
  if (sources === 'types') {
    const both = module.startsWith('node');
    writeImports(
      folder,
      `${place}/src`,
      SUB_PATHS.filter((path) => path !== BRIDGE),
      both,
    );
    await compileBridge(folder, place, { module, moduleResolution: resolution, both }, tools.tsc(typescript));
  } else copy(`test/package/${sources}`, folder, `${place}/src`);
  const compilerOptions = { ...STRICT, module, moduleResolution: resolution, rootDir: 'src', outDir: 'dist' };
  // Required by the types of Fastify 4, but not by those of this package.
  if (sources !== 'types') compilerOptions.esModuleInterop = true;
  writeJson(folder, `${place}/tsconfig.json`, { compilerOptions, include: ['src'] });

  if (tsx) return join(place, 'src');
  if (swc) compileWithSwc(join(folder, place), swcOptions(modules === 'CommonJS' ? 'commonjs' : 'es6'), tools);
  else await run(folder, 'node', [tools.tsc(typescript), '-p', place]);
  return join(place, 'dist');
}

/** The types of posthog-node, which this sub-path imports, need those of browsers and of Express; all others must compile without. */
async function compileBridge(folder, place, { module, moduleResolution, both }, tsc) {
  writeImports(folder, `${place}/bridge`, [BRIDGE], both);
  write(folder, `${place}/bridge/express.d.ts`, `declare module 'express';\n`);
  const lib = [...STRICT.lib, 'dom'];
  const compilerOptions = { ...STRICT, lib, module, moduleResolution, noEmit: true };
  writeJson(folder, `${place}/tsconfig.bridge.json`, { compilerOptions, include: ['bridge'] });
  await run(folder, 'node', [tsc, '-p', `${place}/tsconfig.bridge.json`]);
}

/** Imports of sub-paths, in both module systems if the compiler distinguishes them by file name. */
function writeImports(folder, place, paths, both) {
  const text = paths.map((path, index) => `export * as entry${index} from '${path}';\n`).join('');
  for (const ending of both ? ['mts', 'cts'] : ['ts']) write(folder, `${place}/every-sub-path.${ending}`, text);
}

function compileWithSwc(folder, options, tools) {
  for (const file of readdirSync(join(folder, 'src'))) {
    const text = readFileSync(join(folder, 'src', file), 'utf8');
    write(folder, `dist/${file.replace(/\.ts$/, '.js')}`, tools.transform(text, options));
  }
}

/** Nest 10 says of its own modules that they are slow to serialize, when the machine is busy. */
const SLOW_MODULE = /^.*\[ModuleTokenFactory\].* to serialize, .*\n/gm;

/** A successful program prints nothing and ends. */
async function runProgram(folder, program, { nest, modules, http, compiler }, tools, { path, version }) {
  const { tsx } = COMPILERS[compiler];
  const args = ['--trace-warnings', ...(tsx ? ['--import', tools.tsx, `${program}.ts`] : [`${program}.js`])];
  const env = {
    HTTP: http ?? '',
    BUILD: modules === 'CommonJS' ? 'cjs' : 'esm',
    // Only tsx does not emit decorator metadata.
    METADATA: tsx ? '' : 'yes',
    DENIALS: nest === 'oldest' ? '' : 'yes',
    TSX_TSCONFIG_PATH: join(folder, program, '../../tsconfig.json'),
  };
  const { stdout, stderr } = await run(folder, 'node', args, { node: path, env, timeoutMs: LIFE_MS });
  assert.equal((stdout + stderr).replace(SLOW_MODULE, ''), '', `${program} on Node ${version} printed something`);
}
