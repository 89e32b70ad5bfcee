// Installs the package from its archive into applications of each kind (test/package) and runs them: the fast core without
// arguments, all kinds with --all, or the kinds whose names contain all given words: npm run test:package -- "Nest 12" tsx
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { CLI_KINDS } from '../test/package/cli-kinds.mjs';
import { COMPILERS, KINDS } from '../test/package/kinds.mjs';
import { runApplication } from '../test/package/run-application.mjs';
import { runCliApplication } from '../test/package/run-cli-application.mjs';
import { runTests } from '../test/package/run-tests.mjs';
import { RUNNERS } from '../test/package/runners.mjs';
import { installTools } from '../test/package/tools.mjs';
import { addPackages, install, nest, oldestPeers, OPTIONAL_PEERS, optionalPeers, own } from './application.mjs';
import { ensureInstalled } from './lib.mjs';

await ensureInstalled();
const everything = process.argv.includes('--all');
const words = process.argv.slice(2).filter((argument) => !argument.startsWith('-'));
const core = words.length === 0 && !everything;
const chosen = (kinds) => kinds.filter((kind) => (core ? kind.core : words.every((word) => kind.name.includes(word))));
const kinds = chosen(KINDS);
const runners = chosen(RUNNERS);
const cliKinds = chosen(CLI_KINDS);
const count = kinds.length + runners.length + cliKinds.length;
assert.ok(count > 0, `no kind matches ${words.join(' and ')}`);
/** The core runs on the Node.js of this process only. */
const nodesOf = (kind) => (core ? kind.nodes.slice(0, 1).map(() => undefined) : kind.nodes);

const tools = await installTools(
  kinds.map(({ compiler }) => COMPILERS[compiler]),
  new Set([...[...kinds, ...runners].flatMap(nodesOf), ...cliKinds.map(({ node }) => node)].filter(Boolean)),
);
const failed = [];
for (const version of new Set(kinds.map((kind) => kind.nest))) await checkApplications(version);
for (const runner of runners) await check(runner, () => runTests(runner, tools, nodesOf(runner)));
for (const kind of cliKinds) await check(kind, () => runCliApplication(kind, tools));
console.log(`test:package: ${count - failed.length} kinds passed, ${failed.length} failed`);
for (const name of failed) console.log(`✗ ${name}`);
if (failed.length > 0) process.exitCode = 1;

/** All kinds for one version of Nest share one installation, first without any optional peer, then with all of them. */
async function checkApplications(version) {
  const its = kinds.filter((kind) => kind.nest === version);
  const folder = await install(`nest-${version}`, packagesOf(version));
  const run = (kind) => check(kind, () => runApplication(folder, kind, tools, nodesOf(kind)));
  for (const peer of OPTIONAL_PEERS) assert.ok(!existsSync(join(folder, 'node_modules', peer)), `${peer} is installed`);
  for (const kind of its.filter(({ peers }) => !peers)) await run(kind);
  const withPeers = its.filter(({ peers }) => peers);
  if (withPeers.length > 0) await addPackages(folder, optionalPeers(version));
  for (const kind of withPeers) await run(kind);
}

function packagesOf(version) {
  if (version !== 'oldest') return { ...nest(version, 'platform-express', 'platform-fastify'), ...own('@types/node') };
  const peers = oldestPeers();
  return { ...peers, '@nestjs/platform-express': peers['@nestjs/common'], ...own('@types/node') };
}

async function check({ name }, run) {
  const start = Date.now();
  try {
    const nodes = await run();
    const seconds = ((Date.now() - start) / 1000).toFixed(1);
    console.log(`✓ ${name}${nodes.length > 0 ? `: Node ${nodes.join(', ')}` : ''} (${seconds} s)`);
  } catch (error) {
    failed.push(name);
    console.log(`✗ ${name}\n${error.message}`);
  }
}
