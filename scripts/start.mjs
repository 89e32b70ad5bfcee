// `npm start`: the quick start, from a fresh clone to a shop that answers. Installs and builds what is missing.
import { compile, ensureBuilt, ensureInstalled, isFresh, LIBRARY, run } from './lib.mjs';

const SHOP = 'sample/01-quick-start';

await ensureInstalled();
await ensureBuilt();
const shopSources = ['src', 'tsconfig.json', 'tsconfig.build.json'].map((name) => `${SHOP}/${name}`);
if (!isFresh(`${SHOP}/dist/main.js`, [LIBRARY, ...shopSources])) {
  console.log('Building the shop …');
  await compile(`${SHOP}/tsconfig.build.json`);
}
const code = await run(process.execPath, [`${SHOP}/dist/main.js`]);
// Ctrl-C and SIGTERM are how it is meant to end.
process.exitCode = [130, 143].includes(code) ? 0 : code;
