// `npm start`: the quick start, from a fresh clone to a shop that answers. Installs and builds what is missing.
import { compile, ensureInstalled, isFresh, must, run } from './lib.mjs';

const SHOP = 'sample/01-quick-start';
// The last file that the build writes.
const LIBRARY = 'dist/cjs/package.json';

await ensureInstalled();
if (!isFresh(LIBRARY, ['lib', 'tsconfig.base.json', 'tsconfig.esm.json', 'tsconfig.cjs.json', 'scripts/build.mjs'])) {
  console.log('Building the library …');
  await must(process.execPath, ['scripts/build.mjs']);
}
const shopSources = ['src', 'tsconfig.json', 'tsconfig.build.json'].map((name) => `${SHOP}/${name}`);
if (!isFresh(`${SHOP}/dist/main.js`, [LIBRARY, ...shopSources])) {
  console.log('Building the shop …');
  await compile(`${SHOP}/tsconfig.build.json`);
}
const code = await run(process.execPath, [`${SHOP}/dist/main.js`]);
// Ctrl-C and SIGTERM are how it is meant to end.
process.exitCode = [130, 143].includes(code) ? 0 : code;
