// Looks at what would be published: both builds load by the package's name, every entry of `exports` exists, and the
// archive holds what it should and nothing else.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { ensureInstalled, ROOT } from './lib.mjs';

await ensureInstalled();
const manifest = JSON.parse(readFileSync(`${ROOT}package.json`, 'utf8'));
const pathsOf = (entry) => (typeof entry === 'string' ? [entry] : Object.values(entry).flatMap(pathsOf));
for (const path of pathsOf(manifest.exports)) assert.ok(existsSync(`${ROOT}${path}`), `exports: ${path} is missing`);

const require = createRequire(import.meta.url);
const testing = 'nestjs-posthog-capture/testing';
// Its matchers load in their test runners only: scripts/check-test-runners.mjs.
const BESIDE = ['health', 'lmdb', 'opentelemetry', 'testing'].map((path) => `nestjs-posthog-capture/${path}`);
for (const entry of ['nestjs-posthog-capture', ...BESIDE]) {
  const esm = await import(entry);
  assert.ok(Object.keys(esm).length > 0, `${entry} exports nothing`);
  // The CommonJS build loads Nest 12, which is ESM only, where Node can require it.
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

  // A test may load the other build than its application.
  const { Test } = await import('@nestjs/testing');
  const [{ overrideCapture }, { recorderOf }] = [await import(testing), require(testing)];
  const builder = Test.createTestingModule({ imports: [cjs.PostHogCaptureModule.forRoot()] });
  const recorder = overrideCapture(builder);
  const module = await builder.compile();
  recorder.isolate((own) => {
    module.get(esm.CaptureService).capture({ event: 'seen', distinctId: 'user_1' });
    assert.equal(own.last?.event, 'seen');
  });
  assert.equal(recorderOf(module), recorder, 'both builds know one recorder');
  await module.close();
}

const packed = JSON.parse(
  execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    cwd: ROOT,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  }),
);
const [archive] = Array.isArray(packed) ? packed : Object.values(packed);
const stray = archive.files
  .map(({ path }) => path)
  .filter((path) => !/^(dist\/|docs\/|package\.json|README\.md|CHANGELOG\.md|LICENSE)/.test(path));
assert.deepEqual(stray, [], 'files that should not be published');
console.log(`package: ${archive.files.length} files, ${Math.round(archive.size / 1024)} KiB packed`);
