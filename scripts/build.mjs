// `npm run build`: the same sources twice, as ES modules and as CommonJS, with declarations for each.
import { chmodSync, rmSync, writeFileSync } from 'node:fs';
import { ensureInstalled, must, ROOT } from './lib.mjs';

await ensureInstalled();
rmSync(`${ROOT}dist`, { recursive: true, force: true });
for (const [kind, type] of [
  ['esm', 'module'],
  ['cjs', 'commonjs'],
]) {
  await must(process.execPath, ['node_modules/typescript/bin/tsc', '-p', `tsconfig.${kind}.json`]);
  writeFileSync(`${ROOT}dist/${kind}/package.json`, `${JSON.stringify({ type }, null, 2)}\n`);
}
chmodSync(`${ROOT}dist/esm/cli/main.js`, 0o755);
