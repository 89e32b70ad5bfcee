// `npm run build`: compiles the sources to ES modules and to CommonJS, with declarations for each.
import { chmodSync, cpSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { compile, ensureInstalled, ROOT } from './lib.mjs';

// The page is copied unchanged, without the tsconfig that checks its types.
const isPartOfPage = (path) => !path.endsWith('.json');

await ensureInstalled();
rmSync(`${ROOT}dist`, { recursive: true, force: true });
const kinds = [
  ['esm', 'module'],
  ['cjs', 'commonjs'],
];
await Promise.all(kinds.map(([kind]) => compile(`tsconfig.${kind}.json`)));
for (const [kind, type] of kinds) {
  cpSync(`${ROOT}lib/live/page`, `${ROOT}dist/${kind}/live/page`, { recursive: true, filter: isPartOfPage });
  writeFileSync(`${ROOT}dist/${kind}/package.json`, `${JSON.stringify({ type }, null, 2)}\n`);
}
// Read by the Nest CLI, which loads CommonJS.
for (const file of ['collection.json', 'nest-add.schema.json']) {
  cpSync(`${ROOT}lib/setup/${file}`, `${ROOT}dist/cjs/setup/${file}`);
}
// In the CommonJS build, x.cjs.ts replaces x.ts.
for (const module of [
  'crash/location',
  'live/location',
  'options/import-config',
  'shared/require',
  'tracking/exceptions/import-seams',
]) {
  for (const ending of ['js', 'd.ts']) {
    renameSync(`${ROOT}dist/cjs/${module}.cjs.${ending}`, `${ROOT}dist/cjs/${module}.${ending}`);
  }
}
chmodSync(`${ROOT}dist/esm/cli/main.js`, 0o755);
