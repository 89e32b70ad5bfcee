// Prepares the quick start in .quick-start: installs only the packages that the shop needs, and compiles the library and the shop
// without type checking.
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { install, isFresh, isInstalled, paths, readLock, refuseOldNode, ROOT } from './lib.mjs';

const SHOP = 'sample/01-quick-start';
const FOLDER = join(ROOT, '.quick-start');
const LIBRARY = join(FOLDER, 'node_modules/nestjs-posthog-capture');

/** The compiled shop. */
export const MAIN = '.quick-start/dist/main.js';

/** The last file to be written. */
const STAMP = '.quick-start/node_modules/nestjs-posthog-capture/dist/esm/package.json';

export async function prepare() {
  refuseOldNode();
  const lock = quickStartLock();
  mkdirSync(FOLDER, { recursive: true });
  // Also keeps the name nestjs-posthog-capture from meaning the repository itself.
  writeFileSync(join(FOLDER, 'package.json'), JSON.stringify(lock.packages[''], null, 2));
  // After `npm test` all packages are in the repository's own node_modules, where those of .quick-start look as well.
  if (!isInstalled(ROOT)) await installPackages(lock);
  const sources = ['lib', `${SHOP}/src`, 'package.json', 'scripts/quick-start.mjs'];
  if (isFresh(MAIN, sources) && isFresh(STAMP, sources)) return;
  console.log('Compiling the library and the shop …');
  const { default: typescript } = await import(
    pathToFileURL(createRequire(join(FOLDER, 'package.json')).resolve('typescript')).href
  );
  compile(typescript, 'lib', join(LIBRARY, 'dist/esm'));
  cpSync(join(ROOT, 'lib/live/page'), join(LIBRARY, 'dist/esm/live/page'), { recursive: true });
  cpSync(join(ROOT, 'package.json'), join(LIBRARY, 'package.json'));
  compile(typescript, `${SHOP}/src`, join(FOLDER, 'dist'));
  writeFileSync(join(ROOT, STAMP), '{ "type": "module" }\n');
}

async function installPackages(lock) {
  const text = JSON.stringify(lock, null, 2);
  const isCurrent = isInstalled(FOLDER) && readFileSync(join(FOLDER, 'package-lock.json'), 'utf8') === text;
  if (isCurrent) return;
  console.log(`First start in this clone: installing the ${paths(lock.packages).length} packages that the shop needs (NestJS, Express, axios, class-validator,
TypeScript) in .quick-start. This takes one to two minutes, longer on a slow connection; later starts take seconds.`);
  writeFileSync(join(FOLDER, 'package-lock.json'), text);
  await install(FOLDER, lock.packages);
}

/** The part of the repository's lock file that the shop and its compiler need, so that both install the same versions. */
function quickStartLock() {
  const { lockfileVersion, packages } = readLock(ROOT);
  const { dependencies } = JSON.parse(readFileSync(join(ROOT, SHOP, 'package.json'), 'utf8'));
  const names = [...Object.keys(dependencies).filter((name) => name !== 'nestjs-posthog-capture'), 'typescript'];
  const manifest = {
    name: 'quick-start',
    private: true,
    type: 'module',
    dependencies: Object.fromEntries(names.map((name) => [name, packages[`node_modules/${name}`].version])),
  };
  const needed = new Map([['', manifest]]);
  const add = (from, name) => {
    const path = resolve(packages, from, name);
    if (path === undefined || needed.has(path)) return;
    // None of these packages is a development dependency here.
    needed.set(path, { ...packages[path], dev: undefined, devOptional: undefined, peer: undefined });
    const { dependencies: own, optionalDependencies, peerDependencies, peerDependenciesMeta } = packages[path];
    const peers = Object.keys(peerDependencies ?? {}).filter((one) => peerDependenciesMeta?.[one]?.optional !== true);
    for (const one of [...Object.keys({ ...own, ...optionalDependencies }), ...peers]) add(path, one);
  };
  for (const name of names) add('', name);
  return { name: 'quick-start', lockfileVersion, requires: true, packages: Object.fromEntries([...needed].sort()) };
}

/** The directory in which Node.js finds a package that is imported from the directory `from`. */
function resolve(packages, from, name) {
  for (let at = from; ; at = at.slice(0, Math.max(0, at.lastIndexOf('/node_modules/')))) {
    const path = `${at === '' ? '' : `${at}/`}node_modules/${name}`;
    if (path in packages) return path;
    if (at === '') return undefined;
  }
}

function compile({ transpileModule, ScriptTarget, ModuleKind }, source, target) {
  rmSync(target, { recursive: true, force: true });
  const compilerOptions = {
    target: ScriptTarget.ES2022,
    module: ModuleKind.ES2022,
    experimentalDecorators: true,
    emitDecoratorMetadata: true,
  };
  for (const name of readdirSync(join(ROOT, source), { recursive: true })) {
    if (!name.endsWith('.ts') || name.endsWith('.cjs.ts')) continue;
    const path = join(target, name.replace(/\.ts$/, '.js'));
    const { outputText } = transpileModule(readFileSync(join(ROOT, source, name), 'utf8'), {
      compilerOptions,
      fileName: name,
    });
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, outputText);
  }
}
