import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { type FakePostHog } from 'nestjs-posthog-capture/testing';
import { type CompiledLib, compileLib } from '../support/compiled-lib.js';
import { KEY } from '../support/harness.js';
import { SEED, Seeded } from '../support/seeded.js';
import { startPatientPostHog } from '../support/patient-posthog.js';

/** Number of lines in the file. A long run: `FAULT_EVENTS=100000 npm test -- test/faults/import`. */
const LINES = Number(process.env.FAULT_EVENTS ?? 4000);
const BAD_EVERY = 500;

let lib: CompiledLib;
let folder: string;
let posthog: FakePostHog;

beforeAll(async () => {
  lib = await compileLib();
  folder = await mkdtemp(join(tmpdir(), 'posthog-import-'));
  posthog = await startPatientPostHog({ maxRemembered: 1_000_000 });
});
afterAll(async () => {
  await posthog.close();
  await rm(folder, { recursive: true, force: true });
  await lib.remove();
});

it(`an import that is killed repeatedly stores every line once (FAULT_SEED=${SEED})`, async () => {
  const random = new Seeded();
  const path = join(folder, 'events.ndjson');
  const lines = Array.from({ length: LINES }, (_, index) =>
    index % BAD_EVERY === 0
      ? 'bad'
      : JSON.stringify({ event: 'page_view', distinct_id: `user_${index % 97}`, properties: { index } }),
  );
  await writeFile(path, lines.join('\n'));
  posthog.failWhen(() =>
    random.chance(0.2) ? random.pick([{ status: 503 }, { reset: 'after' as const }]) : { delayMs: 5 },
  );
  const start = (): ReturnType<typeof spawn> =>
    spawn(
      process.execPath,
      [`${lib.path}/cli/main.js`, 'import', path, ...(existsSync(`${path}.import-state.json`) ? ['--resume'] : [])],
      {
        cwd: folder,
        stdio: ['ignore', 'pipe', 'ignore'],
        env: {
          ...process.env,
          POSTHOG_API_KEY: KEY,
          POSTHOG_HOST: posthog.url,
          POSTHOG_MAX_BATCH_EVENTS: '50',
          POSTHOG_RETRY_BASE_MS: '5',
          POSTHOG_COOL_DOWN_MS: '20',
        },
      },
    );
  for (let kill = 0; kill < 4; kill += 1) {
    const child = start();
    const ended = once(child, 'exit');
    const requests = posthog.requests.length + 1 + random.below(15);
    await Promise.race([posthog.waitForRequests(requests), ended]);
    child.kill('SIGKILL');
    await ended;
  }
  const last = start();
  let answer = '';
  last.stdout?.on('data', (text) => (answer += String(text)));
  await once(last, 'close');

  const bad = Math.ceil(LINES / BAD_EVERY);
  expect(JSON.parse(answer)).toEqual({
    success: false,
    lines: LINES,
    delivered: LINES - bad,
    rejected: bad,
    error: null,
  });
  expect(posthog.rows).toHaveLength(LINES - bad);
  expect(new Set(posthog.rows.map(({ properties }) => properties.index)).size).toBe(LINES - bad);
  expect(existsSync(`${path}.import-state.json`)).toBe(false);
}, 300_000);
