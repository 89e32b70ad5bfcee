// `node scripts/sample.mjs 03-every-transport`: compiles a sample and runs it.
import { existsSync } from 'node:fs';
import { compile, ensureBuilt, ensureInstalled, ROOT, run } from './lib.mjs';

const [name = ''] = process.argv.slice(2);
const folder = `sample/${name}`;
if (!/^[\w-]+$/.test(name) || !existsSync(`${ROOT}${folder}/tsconfig.build.json`)) {
  console.error('usage: node scripts/sample.mjs <directory in sample/, such as 03-every-transport>');
  process.exit(1);
}
await ensureInstalled();
await ensureBuilt();
await compile(`${folder}/tsconfig.build.json`);
process.exitCode = await run(process.execPath, [`${folder}/dist/main.js`]);
