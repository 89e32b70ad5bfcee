// Checks the package to be published: both builds load by the package's name, every entry of `exports` exists and imports only
// allowed packages, and the archive contains only the intended files. Also runs publint and attw.
import assert from 'node:assert/strict';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import ts from 'typescript';
import { runsOn } from '../test/package/table.mjs';
import { manifest, OPTIONAL_PEERS, packed, PEERS_BY_NEST, run, SUB_PATHS } from './application.mjs';
import { internalTypes } from './declarations.mjs';
import { ensureBuilt, ensureInstalled, ROOT } from './lib.mjs';

const KIB = 1024;
const MAX_PACKED_BYTES = 940 * KIB;
const MAX_UNPACKED_BYTES = 5200 * KIB;
/** Loaded where the application has them, to observe their errors. */
const OBSERVED = ['@nestjs/microservices', '@nestjs/websockets'];
/** Packages that only this sub-path may import. */
const OWN_PEERS = {
  './flags': ['posthog-node'],
  './health': ['@nestjs/terminus'],
  './opentelemetry': ['@opentelemetry/api'],
  './posthog-node': ['posthog-node'],
  './testing/jest': ['@jest/globals', 'expect'],
  './testing/vitest': ['vitest'],
};

await ensureInstalled();
await ensureBuilt();
const pathsOf = (entry) => (typeof entry === 'string' ? [entry] : Object.values(entry).flatMap(pathsOf));
for (const [subPath, entry] of Object.entries(manifest.exports)) {
  const needed = Object.keys(manifest.peerDependencies).filter((name) => !OPTIONAL_PEERS.includes(name));
  for (const path of pathsOf(entry)) {
    assert.ok(existsSync(join(ROOT, path)), `exports: ${path} is missing`);
    // Declarations must compile where these are not installed.
    const loaded = needed.filter((name) => !path.endsWith('.d.ts') || !PEERS_BY_NEST.includes(name));
    const observed = path.endsWith('.d.ts') ? [] : OBSERVED;
    const allowed = [...loaded, ...observed, ...(OWN_PEERS[subPath] ?? [])];
    const strangers = [...packagesBehind(join(ROOT, path))].filter((name) => !allowed.includes(name));
    assert.deepEqual(strangers, [], `packages that ${path} must not import`);
  }
}

for (const condition of ['import', 'require']) {
  const entries = Object.values(manifest.exports).filter((entry) => entry[condition] !== undefined);
  const found = internalTypes(entries.map((entry) => join(ROOT, entry[condition].types)));
  assert.deepEqual(found, [], `declarations (${condition}) that name a type which no entry exports`);
}

assert.equal(manifest.dependencies ?? manifest.optionalDependencies, undefined, 'the package has dependencies');
// npm 10 also resolves optional peers, and crashes on those of vitest 4 ("Cannot read properties of null (reading 'edgesOut')").
// pnpm and Yarn accept any version of a peer that is only in peerDependenciesMeta.
assert.equal(manifest.peerDependencies.vitest, undefined, 'npm 10 cannot install a package with the peer vitest');
for (const script of ['preinstall', 'install', 'postinstall', 'prepare']) {
  assert.equal(manifest.scripts[script], undefined, `the package has a script ${script}`);
}

assert.ok(
  readFileSync(`${ROOT}docs/compatibility.md`, 'utf8').includes(runsOn()),
  `docs/compatibility.md must contain this table:\n${runsOn()}`,
);

const require = createRequire(import.meta.url);
const testing = 'nestjs-posthog-capture/testing';
// Matchers load in their test runners only; scripts/test-package.mjs covers them.
for (const entry of SUB_PATHS.filter((path) => !path.startsWith(`${testing}/`))) {
  const esm = await import(entry);
  assert.ok(Object.keys(esm).length > 0, `${entry} exports nothing`);
  // The CommonJS build can load Nest 12, which is ESM only, if Node can require ES modules.
  if (process.features.require_module) {
    assert.deepEqual(
      Object.keys(require(entry))
        .filter((name) => name !== '__esModule')
        .sort(),
      Object.keys(esm).sort(),
    );
  }
}
if (process.features.require_module) {
  const [esm, cjs] = [await import('nestjs-posthog-capture'), require('nestjs-posthog-capture')];
  assert.equal(esm.CaptureService, cjs.CaptureService, 'both builds share one CaptureService');

  // A test may load a different build than the application.
  const { Test } = await import('@nestjs/testing');
  const [{ overrideCapture }, { recorderOf }] = [await import(testing), require(testing)];
  const builder = Test.createTestingModule({ imports: [cjs.PostHogCaptureModule.forRoot()] });
  const recorder = overrideCapture(builder);
  const module = await builder.compile();
  recorder.isolate((own) => {
    module.get(esm.CaptureService).capture({ event: 'seen', distinctId: 'user_1' });
    assert.equal(own.last?.event, 'seen');
  });
  assert.equal(recorderOf(module), recorder, 'both builds share one recorder');
  await module.close();
}

const archive = await packed();
const [{ files, size, unpackedSize }] = Object.values(
  JSON.parse((await run(ROOT, 'npm', ['pack', '--dry-run', '--json', '--ignore-scripts'])).stdout),
);
const stray = files
  .map(({ path }) => path)
  .filter((path) => !/^(dist\/|docs\/|package\.json|README\.md|CHANGELOG\.md|AGENTS\.md|llms\.txt|LICENSE)/.test(path));
assert.deepEqual(stray, [], 'files that should not be published');
// Nothing imports it: it is started as a program of its own.
for (const kind of ['esm', 'cjs']) {
  const program = `dist/${kind}/crash/crash-sender.js`;
  assert.ok(
    files.some(({ path }) => path === program),
    `${program} is missing`,
  );
}
assert.ok(statSync(archive).size <= MAX_PACKED_BYTES, `the archive has ${size} bytes`);
assert.ok(unpackedSize <= MAX_UNPACKED_BYTES, `the archive unpacks to ${unpackedSize} bytes`);
await run(ROOT, 'npx', ['--no-install', 'publint', 'run', archive, '--strict']);
await run(ROOT, 'npx', ['--no-install', 'attw', archive]);
console.log(
  `package: ${files.length} files, ${Math.round(size / KIB)} KiB packed, ${Math.round(unpackedSize / KIB)} KiB unpacked; publint and attw passed`,
);

/** Returns the packages that a built file or declaration imports, directly or through other files, including dynamic and type imports. */
function packagesBehind(file, seen = new Set()) {
  const packages = new Set();
  if (seen.has(file) || file.endsWith('.json')) return packages;
  seen.add(file);
  const ending = file.endsWith('.d.ts') ? '.d.ts' : '.js';
  for (const { fileName: name } of ts.preProcessFile(readFileSync(file, 'utf8'), true, true).importedFiles) {
    if (name.startsWith('.')) {
      const next = join(dirname(file), name.replace(/\.js$/, ending));
      for (const behind of packagesBehind(next, seen)) packages.add(behind);
    } else if (!name.startsWith('node:')) {
      packages.add(/^(@[^/]+\/)?[^/]+/.exec(name)[0]);
    }
  }
  return packages;
}
