import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { type FakePostHog, type Fault } from 'nestjs-posthog-capture/testing';
import { type Child, Children } from '../support/children.js';
import { type CompiledLib, compileLib } from '../support/compiled-lib.js';
import { SEED, Seeded } from '../support/seeded.js';
import { startPatientPostHog } from '../support/patient-posthog.js';

/** Number of processes killed per store. A long run: `FAULT_KILLS=50 FAULT_SEED=7 npm test -- test/faults/kill`. */
const KILLS = Number(process.env.FAULT_KILLS ?? 4);

let lib: CompiledLib;
let path = '';
let posthog: FakePostHog;
let children: Children;

beforeAll(async () => {
  lib = await compileLib();
});
afterAll(() => lib.remove());
beforeEach(async () => {
  path = await mkdtemp(join(tmpdir(), 'posthog-kill-'));
  posthog = await startPatientPostHog({ maxRemembered: 1_000_000 });
  children = new Children();
});
afterEach(async () => {
  children.killAll();
  await posthog.close();
  await rm(path, { recursive: true, force: true });
});

/** Starts an application with the store. */
function start(task: 'capture' | 'drain', options: object = {}, storeOptions: object = {}, limits = ''): Child {
  const all = { host: posthog.url, ...options, storeOptions: { path, ...storeOptions } };
  return children.start({ lib, task, options: all, limits });
}

async function drain(options: object): Promise<unknown> {
  const { lines, ended } = start('drain', options);
  await ended;
  return JSON.parse(lines[0] ?? 'null');
}

const FAULTS: [Fault, ...Fault[]] = [
  { status: 503 },
  { status: 500, store: true },
  { reset: 'before' },
  { reset: 'after' },
  { halfAnswer: true },
  { hang: true },
  { delayMs: 30 },
];

/** Expects that every captured event is stored once and that no batch contained it twice. */
function expectStored(captured: readonly string[]): void {
  const stored = new Set(posthog.rows.map(({ uuid }) => uuid));
  expect(captured.filter((uuid) => !stored.has(uuid))).toEqual([]);
  expect(posthog.rows).toHaveLength(stored.size);
  // An aborted request may arrive late, after the following one.
  expect(posthog.violations.filter(({ rule }) => !/attempt|timestamp_reused|sent_at_reused/.test(rule))).toEqual([]);
}

it.each([
  ['v0', 'tick'],
  ['v1', 'capture'],
] as const)(
  `stores every event captured by killed processes (%s, per %s, FAULT_SEED=${SEED})`,
  async (captureMode, durability) => {
    const random = new Seeded();
    posthog.failWhen(() => (random.chance(1 / 3) ? random.pick(FAULTS) : null));
    const killed: Child[] = [];
    // Two at a time, so that one adopts the events of the other, possibly while it is killed itself.
    const killOne = async (isFirst: boolean): Promise<void> => {
      const child = start('capture', { captureMode }, { durability });
      killed.push(child);
      // Some are killed while they start.
      if (isFirst || random.chance(0.7)) await child.said(KILLS + 2 + random.below(500));
      else await wait(random.below(300));
      child.process.kill('SIGKILL');
      await child.ended;
    };
    const killHalf = async (): Promise<void> => {
      for (let kill = 0; kill < KILLS; kill += 2) await killOne(kill === 0);
    };
    await Promise.all([killHalf(), killHalf()]);
    posthog.failWhen(null);
    const captured = killed.flatMap((child) => child.captured());
    expect(captured.length).toBeGreaterThan(KILLS);
    expect(await drain({ captureMode })).toMatchObject({ pending: 0, dropped: 0 });
    expectStored(captured);
    expect(await readdir(path)).toEqual([]);
  },
  120_000 + KILLS * 10_000,
);

it(
  `stores every event of killed processes and terminated worker threads that share a store (FAULT_SEED=${SEED})`,
  async () => {
    const random = new Seeded();
    posthog.failWhen(() => (random.chance(1 / 3) ? random.pick(FAULTS) : null));
    const killed: Child[] = [];
    const killSome = async (): Promise<void> => {
      for (let kill = 0; kill < KILLS; kill += 4) {
        const child = start('capture', { threads: 2 }, { durability: random.pick(['tick', 'capture']) });
        killed.push(child);
        // Meanwhile threads are terminated and replaced.
        await child.said(KILLS + 2 + random.below(3000));
        child.process.kill('SIGKILL');
        await child.ended;
      }
    };
    await Promise.all([killSome(), killSome(), killSome(), killSome()]);
    posthog.failWhen(null);
    const captured = killed.flatMap((child) => child.captured());
    expect(captured.length).toBeGreaterThan(KILLS);
    expect(await drain({})).toMatchObject({ pending: 0, dropped: 0 });
    expectStored(captured);
    expect(await readdir(path)).toEqual([]);
  },
  120_000 + KILLS * 10_000,
);

it('loses nothing when processes that share a store are killed', async () => {
  posthog.failAlways({ status: 503 });
  const group = [start('capture'), start('capture'), start('capture')];
  for (const child of group) {
    await child.said(50);
    child.process.kill('SIGKILL');
    await child.ended;
  }
  const captured = group.flatMap((child) => child.captured());
  posthog.failAlways(null);
  const [one, two] = (await Promise.all([drain({}), drain({})])) as { recovered: number }[];
  expect(one!.recovered + two!.recovered).toBeGreaterThanOrEqual(captured.length);
  expect(posthog.events).toHaveLength(posthog.rows.length);
  expectStored(captured);
});

it.each([
  ['while it runs', 300],
  ['at boot', 1],
])('continues in memory when the disk is full %s, with one warning', async (_, blocks) => {
  // Simulates a full disk with a limit on the size of files.
  const child = start('capture', {}, {}, `trap '' XFSZ; ulimit -f ${blocks};`);
  // A process that never received a response makes only one attempt at shutdown.
  await posthog.waitForEvents(1);
  posthog.failAlways({ status: 503 });
  await child.said(1500);
  posthog.failAlways(null);
  child.process.kill('SIGTERM');
  await child.ended;
  // Events in the store may be unsent if PostHog was slow at the end.
  await drain({});
  expect(child.warnings.filter((line) => line.startsWith('The store fails'))).toEqual([
    expect.stringMatching(/^The store fails: .+\. Events captured from now on are in memory only/),
  ]);
  const captured = child.captured();
  expect(captured.length).toBeGreaterThanOrEqual(1499);
  expect(child.dropped()).toEqual([]);
  expectStored(captured);
});
