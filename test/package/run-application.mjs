// Compiles an application of test/package/kinds.mjs in a folder that has its packages, and runs its programs.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { copy, run, STRICT, SUB_PATHS, swcOptions, typeOf, write, writeJson } from '../../scripts/application.mjs';
import { COMPILERS } from './kinds.mjs';

/** Longest life of a program: it must end by itself. */
const LIFE_MS = 60_000;

/**
 * @param folder where `packagesOf` the application are installed
 * @param nodes versions of Node.js to run it on, or undefined for the one of this process
 * @returns what ran it
 */
export async function runApplication(folder, kind, tools, nodes) {
  const programs = await compile(folder, kind, tools);
  const used = nodes.map((wanted) => tools.node(wanted));
  for (const node of used) {
    for (const program of kind.programs) await runProgram(folder, join(programs, program), kind, tools, node);
  }
  return used.map((node) => node.version);
}

/** Compiles into a folder of its own within the one that has its packages; returns where its programs are. */
async function compile(folder, { sources, modules, compiler, name }, tools) {
  const { typescript, module, resolution, swc, tsx } = COMPILERS[compiler];
  const place = name.replaceAll(/\W+/g, '-');
  writeJson(folder, `${place}/package.json`, { type: typeOf(modules) });
  if (sources === 'types') writeImports(folder, `${place}/src`, module.startsWith('node'));
  else copy(`test/package/${sources}`, folder, `${place}/src`);
  const compilerOptions = { ...STRICT, module, moduleResolution: resolution, rootDir: 'src', outDir: 'dist' };
  // Fastify 4 needs it, and the types of this package must not.
  if (sources !== 'types') compilerOptions.esModuleInterop = true;
  writeJson(folder, `${place}/tsconfig.json`, { compilerOptions, include: ['src'] });

  if (tsx) return join(place, 'src');
  if (swc) compileWithSwc(join(folder, place), swcOptions(modules === 'CommonJS' ? 'commonjs' : 'es6'), tools);
  else await run(folder, 'node', [tools.tsc(typescript), '-p', place]);
  return join(place, 'dist');
}

/** Imports of every name that the package has: in both kinds of modules where the compiler knows them by their files. */
function writeImports(folder, place, both) {
  const text = SUB_PATHS.map((path, index) => `export * as entry${index} from '${path}';\n`).join('');
  for (const ending of both ? ['mts', 'cts'] : ['ts']) write(folder, `${place}/every-sub-path.${ending}`, text);
}

function compileWithSwc(folder, options, tools) {
  for (const file of readdirSync(join(folder, 'src'))) {
    const text = readFileSync(join(folder, 'src', file), 'utf8');
    write(folder, `dist/${file.replace(/\.ts$/, '.js')}`, tools.transform(text, options));
  }
}

/** A program that is content is silent, and ends. */
async function runProgram(folder, program, { nest, modules, http, compiler }, tools, { path, version }) {
  const { tsx } = COMPILERS[compiler];
  const args = ['--trace-warnings', ...(tsx ? ['--import', tools.tsx, `${program}.ts`] : [`${program}.js`])];
  const env = {
    HTTP: http ?? '',
    BUILD: modules === 'CommonJS' ? 'cjs' : 'esm',
    // Only tsx does not write the types of parameters down.
    METADATA: tsx ? '' : 'yes',
    DENIALS: nest === 'oldest' ? '' : 'yes',
    TSX_TSCONFIG_PATH: join(folder, program, '../../tsconfig.json'),
  };
  const { stdout, stderr } = await run(folder, 'node', args, { node: path, env, timeoutMs: LIFE_MS });
  assert.equal(stdout + stderr, '', `${program} on Node ${version} wrote something`);
}
