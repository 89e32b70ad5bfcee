// `node bench/run.mjs <benchmark> [--quick]`: installs and builds what is missing, then runs the benchmark. See README.md.
import { existsSync } from 'node:fs';
import { ensureInstalled, isFresh, must, ROOT } from '../scripts/lib.mjs';

const BENCHMARKS = ['delivery', 'request', 'call', 'scale', 'start', 'compression'];
const COMMANDS = [...BENCHMARKS, 'stores', 'fleet', 'outbox', 'all', 'goals'];

const args = process.argv.slice(2);
const quick = args.includes('--quick');
const [wanted = '', ...others] = args.filter((arg) => arg !== '--quick');
const names = wanted === 'all' ? BENCHMARKS : [wanted];
if (others.length > 0 || !COMMANDS.includes(wanted)) {
  console.error(`usage: node bench/run.mjs <${COMMANDS.join('|')}> [--quick]`);
  process.exit(1);
}

await ensureInstalled();
if (!existsSync(`${ROOT}bench/node_modules/.package-lock.json`)) {
  console.log('Installing the peers (once) …');
  await must('npm', ['ci', '--prefix', 'bench', '--no-audit', '--no-fund', '--loglevel=error']);
}
if (
  !isFresh('dist/cjs/package.json', [
    'lib',
    'tsconfig.base.json',
    'tsconfig.esm.json',
    'tsconfig.cjs.json',
    'scripts/build.mjs',
  ])
) {
  console.log('Building the library …');
  await must(process.execPath, ['scripts/build.mjs']);
}

const { withSink } = await import('./support/sink.mjs');
await withSink(async (sink) => {
  for (const name of names) {
    const { [name]: benchmark } = await import(`./benchmarks/${name}.mjs`);
    await benchmark(sink, { quick });
  }
});
