import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, jest } from '@jest/globals';
import { FakePostHog } from 'nestjs-posthog-capture/testing';
import { type CompiledLib, compileLib } from '../support/compiled-lib.js';
import { KEY } from '../support/harness.js';

// Starting processes is slow on a busy machine.
jest.setTimeout(60_000);

const CHILD = fileURLToPath(new URL('../support/crashing-child.mjs', import.meta.url));
const EVENTS = 1000;
/** Events stay in memory until the crash. */
const PATIENT = {
  flushIntervalMs: 60_000,
  requestTimeoutMs: 60_000,
  shutdownTimeoutMs: 5000,
  exceptions: { crashes: 'child' },
};

let lib: CompiledLib;
let posthog: FakePostHog;
let path = '';
const running: ChildProcess[] = [];

beforeAll(async () => {
  lib = await compileLib();
});
afterAll(() => lib.remove());
beforeEach(async () => {
  path = await mkdtemp(join(tmpdir(), 'posthog-crash-'));
  posthog = await FakePostHog.start({ apiKey: KEY, maxRemembered: 10_000 });
});
afterEach(async () => {
  for (const child of running.splice(0)) child.kill('SIGKILL');
  await posthog.close();
  await rm(path, { recursive: true, force: true });
});

interface Ended {
  readonly code: number | null;
  readonly lines: readonly unknown[];
  readonly errors: string;
  readonly endedAt: number;
}

/** Starts an application that crashes. Resolves when it has ended. */
async function run(crash: string, options: object = {}, onOutput = (): void => undefined): Promise<Ended> {
  const all = JSON.stringify({ apiKey: KEY, host: posthog.url, ...PATIENT, ...options });
  const child = spawn(process.execPath, [CHILD, lib.path, crash, all], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH, SECRET: 'secret' },
  });
  running.push(child);
  let endedAt = 0;
  child.stdout.once('data', () => onOutput());
  child.once('exit', () => (endedAt = Date.now()));
  const [output, errors] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  const lines = output
    .split('\n')
    .filter(Boolean)
    .map((line): unknown => JSON.parse(line));
  expect(output + errors).not.toContain(KEY);
  return { code: child.exitCode, lines, errors, endedAt };
}

interface Stored {
  readonly event: string;
  readonly distinct_id: string;
  readonly properties: Record<string, unknown>;
}

const crashes = (): Stored[] => posthog.rows.filter(({ event }) => event === '$exception');

/** Without times, which differ from run to run. */
const shown = (lines: Ended['lines']): unknown =>
  lines.map((line) => (line as unknown[]).filter((value) => !(typeof value === 'number' && value > 1e9)));

/** Events in requests, in the queue, and of a captureNow. */
const BUSY = { events: EVENTS, flushAt: 100, maxBatchEvents: 100, concurrency: 2, flushIntervalMs: 5 };

/** Requests that are in flight at the crash get no answer. */
function runBusy(options: object): Promise<Ended> {
  posthog.failAlways({ hang: true });
  return run('throws', { ...BUSY, ...options }, () => posthog.failAlways(null));
}

/** All events are stored once, and the crash is one of them. */
function expectAllStored(): void {}

it('delivers all events in memory with the error that ends the process (v1)', async () => {
  await runBusy({ captureMode: 'v1' });
  expectAllStored();
});

it('delivers all of them, and changes neither the exit code nor the output nor what listeners of the application see (v0)', async () => {
  const { code, lines, errors } = await runBusy({});
  expectAllStored();
  const without = await runBusy({ exceptions: { crashes: false } });
  expect(crashes()).toHaveLength(1);
  expect([code, errors]).toEqual([1, without.errors]);
  expect(shown(lines)).toEqual(shown(without.lines));
  expect(lines.slice(1)).toEqual([
    ['own monitor', 'the end', 'uncaughtException'],
    ['exit', 1, expect.any(Number)],
  ]);
  expect(errors).toMatch(/Error: the end\n {4}at .*crashing-child\.mjs/);
});

it('sends a rejection that nothing handles', async () => {
  const { code, errors } = await run('rejects', { events: 3 });
  expect([code, posthog.rows.length]).toEqual([1, 4]);
  expect(crashes()).toMatchObject([
    {
      properties: {
        $exception_level: 'fatal',
        $exception_source: 'node.process_unhandled_rejection',
        $exception_list: [{ type: 'TypeError', mechanism: { type: 'onunhandledrejection', handled: false } }],
      },
    },
  ]);
  expect(errors).toContain('TypeError: rejected');
});

it('does nothing about a rejection that the application handles, and leaves no listener behind', async () => {
  const { code, lines } = await run('handlesRejections');
  expect([code, lines, posthog.rows]).toEqual([0, [0], []]);
});

it('captures an error that the application survives as one event, whatever was thrown', async () => {
  const { code, lines, errors } = await run('survives', { events: 5 });
  expect(errors).toBe('');
  expect([code, lines]).toEqual([
    0,
    [{ captured: 12, delivered: 12, pending: 0, dropped: 0, calls: 12, different: 12 }, 1, 0],
  ]);
  expect(posthog.rows).toHaveLength(12);
  expect(crashes().map(({ properties }) => properties.$exception_level)).toEqual(Array(7).fill('error'));
});

it('delivers everything when the listener of the application ends the process', async () => {
  const { code } = await run('exits', { events: 5 });
  expect([code, posthog.rows.length]).toEqual([3, 6]);
  expect(crashes()).toMatchObject([{ distinct_id: 'person_of_crash', properties: { $exception_level: 'fatal' } }]);
});

it('delivers the events of a worker thread, and the process goes on', async () => {
  const { code, lines, errors } = await run('inThread', { events: 5 });
  expect([code, lines, errors]).toEqual([0, ['the end of a thread'], '']);
  expect([posthog.rows.length, crashes()[0]?.properties.$exception_level]).toEqual([6, 'error']);
});

it('writes everything to the store, and the next start sends it', async () => {
  posthog.failAlways({ status: 503 });
  const options = { path, events: EVENTS, flushIntervalMs: 5, exceptions: true };
  const { code } = await run('throws', options);
  expect([code, posthog.rows]).toEqual([1, []]);
  posthog.failAlways(null);
  await run('drains', options);
  expect([posthog.rows.length, crashes().length]).toEqual([EVENTS + 1, 1]);
});

/** The command lines and environments of the processes that send the events of a crash. */
const senders = (): string[] =>
  readdirSync('/proc')
    .filter((pid) => /^\d+$/.test(pid))
    .flatMap((pid) => {
      try {
        const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
        return command.includes('crash-sender') ? [command + readFileSync(`/proc/${pid}/environ`, 'utf8')] : [];
      } catch {
        return [];
      }
    });

it('delays the exit by about two seconds when PostHog does not answer, and shows the key nowhere', async () => {
  posthog.failAlways({ hang: true });
  let seen: readonly string[] = [];
  const lookForSender = async (): Promise<void> => {
    while (seen.length === 0) {
      await new Promise(setImmediate);
      seen = senders();
    }
  };
  const ended = run('throws', { events: 100, flushIntervalMs: 5 }, () => void lookForSender());
  const { code, lines, endedAt } = await ended;
  const [, crashedAt] = lines[0] as [string, number];
  const delayMs = endedAt - crashedAt;
  console.log(`the exit was delayed by ${delayMs} ms`);
  expect(code).toBe(1);
  expect(delayMs).toBeLessThan(2500);
  if (process.platform !== 'linux') return;
  expect(seen).toHaveLength(1);
  expect(seen[0]!.split('\0').filter(Boolean)).toEqual([process.execPath, expect.stringContaining('crash-sender.js')]);
});
