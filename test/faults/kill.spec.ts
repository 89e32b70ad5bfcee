import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, jest } from '@jest/globals';
import { FakePostHog, type Fault } from 'nestjs-posthog-capture/testing';
import { type CompiledLib, compileLib } from '../support/compiled-lib.js';
import { KEY } from '../support/harness.js';

const CHILD = fileURLToPath(new URL('../support/child.mjs', import.meta.url));
const SEED = Number(process.env.FAULT_SEED ?? 1);
/** Processes take seconds to start where the machine is busy. */
const LONG_MS = 300_000;

jest.setTimeout(LONG_MS);

let lib: CompiledLib;
let path = '';
let posthog: FakePostHog;
const children: ChildProcess[] = [];

beforeAll(async () => {
  lib = await compileLib();
});
afterAll(() => lib.remove());
beforeEach(async () => {
  path = await mkdtemp(join(tmpdir(), 'posthog-kill-'));
  posthog = await FakePostHog.start({ apiKey: KEY });
});
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  await posthog.close();
  await rm(path, { recursive: true, force: true });
});

/** Numbers from 0 to 1, the same in each run. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

interface Child {
  readonly process: ChildProcess;
  /** What it said, line by line. */
  readonly lines: string[];
  readonly warnings: string[];
  readonly ended: Promise<unknown>;
}

/** Starts an application over the store. Resolves when it has said something. */
async function startChild(
  task: 'capture' | 'drain',
  options: object,
  storeOptions: object = {},
  limits = '',
): Promise<Child> {
  const all = {
    apiKey: KEY,
    host: posthog.url,
    flushAt: 20,
    flushIntervalMs: 5,
    retryBaseMs: 4,
    retryMaxMs: 20,
    coolDownMs: 20,
    requestTimeoutMs: 200,
    storeOptions: { path, ...storeOptions },
    ...options,
  };
  const child = spawn(
    'sh',
    ['-c', `${limits} exec "$@"`, 'sh', process.execPath, CHILD, lib.path, task, JSON.stringify(all)],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  children.push(child);
  const lines: string[] = [];
  const warnings: string[] = [];
  createInterface(child.stderr).on('line', (line) => warnings.push(line));
  const reader = createInterface(child.stdout);
  reader.on('line', (line) => lines.push(line));
  const ended = Promise.all([once(child, 'exit'), once(reader, 'close')]);
  await Promise.race([once(reader, 'line'), ended]);
  return { process: child, lines, warnings, ended };
}

async function drain(options: object): Promise<unknown> {
  const { lines, ended } = await startChild('drain', options);
  await ended;
  return JSON.parse(lines[0] ?? 'null');
}

const FAULTS: readonly Fault[] = [
  { status: 503 },
  { status: 500, store: true },
  { reset: 'before' },
  { reset: 'after' },
  { halfAnswer: true },
  { hang: true },
  { delayMs: 30 },
];

it.each([
  ['v0', 'tick', 20],
  ['v1', 'capture', 8],
] as const)(
  'stores every event that was captured by processes that were killed (%s, per %s)',
  async (captureMode, durability, kills) => {
    const random = randomFrom(SEED);
    posthog.failWhen(() => (random() < 1 / 3 ? (FAULTS[Math.floor(random() * FAULTS.length)] ?? null) : null));
    const captured: string[] = [];
    for (let kill = 0; kill < kills; kill += 1) {
      const child = await startChild('capture', { captureMode }, { durability });
      await new Promise((resolve) => setTimeout(resolve, random() * 150));
      child.process.kill('SIGKILL');
      await child.ended;
      // The last line may be half a line.
      captured.push(...child.lines.filter((line) => /^[\da-f-]{36}$/.test(line)));
    }
    posthog.failWhen(null);
    expect(captured.length).toBeGreaterThan(kills);
    expect(await drain({ captureMode })).toMatchObject({ pending: 0, dropped: 0 });
    const stored = new Set(posthog.rows.map(({ uuid }) => uuid));
    expect(captured.filter((uuid) => !stored.has(uuid))).toEqual([]);
    // No event under two merge keys, and no batch with one uuid twice: the latter is a violation.
    expect(posthog.rows).toHaveLength(stored.size);
    expect(posthog.violations).toEqual([]);
    expect(await readdir(path)).toEqual([]);
  },
  LONG_MS,
);

it('loses nothing when processes that share a store are killed side by side', async () => {
  posthog.failAlways({ status: 503 });
  const group = await Promise.all([1, 2, 3].map(() => startChild('capture', {})));
  for (const child of group) {
    while (child.lines.length < 50) await once(child.process.stdout!, 'data');
    child.process.kill('SIGKILL');
    await child.ended;
  }
  const captured = group.flatMap(({ lines }) => lines.filter((line) => /^[\da-f-]{36}$/.test(line)));
  posthog.failAlways(null);
  const [one, two] = (await Promise.all([1, 2].map(() => drain({ requestTimeoutMs: 20_000 })))) as {
    recovered: number;
  }[];
  expect(one!.recovered + two!.recovered).toBeGreaterThanOrEqual(captured.length);
  expect(posthog.events).toHaveLength(posthog.rows.length);
  const stored = new Set(posthog.rows.map(({ uuid }) => uuid));
  expect(captured.filter((uuid) => !stored.has(uuid))).toEqual([]);
});

it.each([
  ['while it runs', 300],
  ['at boot', 1],
])('goes on in memory when the disk is full %s, and says so once', async (_, blocks) => {
  posthog.failAlways({ status: 503 });
  // A limit to the size of files, which is a disk that is full to a process that may write no larger ones.
  const child = await startChild('capture', { shutdownTimeoutMs: 5000 }, {}, `trap '' XFSZ; ulimit -f ${blocks};`);
  while (child.lines.length < 1500) await once(child.process.stdout!, 'data');
  posthog.failAlways(null);
  child.process.kill('SIGTERM');
  await child.ended;
  expect(child.warnings.filter((line) => line.startsWith('The store fails'))).toEqual([
    expect.stringMatching(/^The store fails: .+\. Events captured from now on are in memory only/),
  ]);
  const stored = new Set(posthog.rows.map(({ uuid }) => uuid));
  const captured = child.lines.filter((line) => /^[\da-f-]{36}$/.test(line));
  expect(captured.length).toBeGreaterThanOrEqual(1499);
  expect(captured.filter((uuid) => !stored.has(uuid))).toEqual([]);
});
