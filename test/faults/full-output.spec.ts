import { spawnSync } from 'node:child_process';
import { closeSync, existsSync, openSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { type CompiledLib, compileLib } from '../support/compiled-lib.js';

let lib: CompiledLib;
beforeAll(async () => {
  lib = await compileLib();
});
afterAll(() => lib.remove());

const onLinux = existsSync('/dev/full') ? it : it.skip;

onLinux.each([
  ['help', ['--help']],
  ['the version', ['--version']],
  ['the summary of an import', ['import', '-', '--dry-run']],
  ['the result of run', ['run', '--event', 'a', '--distinct-id', 'user_1', '--host', 'http://127.0.0.1:9']],
])('output that cannot be written is exit code 1: %s', (_, args) => {
  const full = openSync('/dev/full', 'w');
  const env = { PATH: process.env.PATH, POSTHOG_API_KEY: 'phc_test', POSTHOG_MAX_RETRIES: '0' };
  const { status, stderr } = spawnSync(process.execPath, [`${lib.path}/cli/main.js`, ...args], {
    env,
    input: '{"event":"a","distinct_id":"user_1"}\n',
    stdio: ['pipe', full, 'pipe'],
    encoding: 'utf8',
  });
  closeSync(full);
  expect(stderr).toContain('posthog-capture: cannot write the output: ');
  expect(status).toBe(1);
});
