// `npm start`: installs and builds what is missing, then starts the quick-start shop. PORT chooses its port.
import { ensureInstalled, isFresh, must, run } from './lib.mjs';

const SAMPLE = 'sample/01-quick-start';
const TSC = 'node_modules/typescript/bin/tsc';

await ensureInstalled();
if (!isFresh('dist/cjs/package.json', ['lib', 'tsconfig.base.json', 'package.json'])) {
  console.log('Building …');
  await must(process.execPath, ['scripts/build.mjs']);
}
if (!isFresh(`${SAMPLE}/dist/main.js`, [`${SAMPLE}/src`, 'dist/cjs/package.json'])) {
  await must(process.execPath, [TSC, '-p', `${SAMPLE}/tsconfig.json`]);
}
process.exitCode = await run(process.execPath, [`${SAMPLE}/dist/main.js`]);
