import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { type FakePostHog } from 'nestjs-posthog-capture/testing';
import { type CompiledLib, compileLib } from '../support/compiled-lib.js';
import { KEY, PATIENT } from '../support/harness.js';
import { startPatientPostHog } from '../support/patient-posthog.js';
import { PATIENCE_MS, until } from '../support/until.js';

const CHILD = fileURLToPath(new URL('../support/crashing-child.mjs', import.meta.url));
const EVENTS = 1000;
/** Events stay in memory until the crash. */
const OPTIONS = { ...PATIENT, flushIntervalMs: 60_000, exceptions: { crashes: 'child' } };

let lib: CompiledLib;
let posthog: FakePostHog;
let path = '';
const running: ChildProcess[] = [];

/** The time limit of the child process that sends the events. On a busy machine it may have hardly started by then. */
async function limitSender(ms: number): Promise<void> {
  const file = join(lib.path, 'crash/send-from-child.js');
  const source = await readFile(file, 'utf8');
  const limited = source.replace(/(CHILD_TIMEOUT_MS = )\d+/, `$1${ms}`);
  expect(limited).toContain(`CHILD_TIMEOUT_MS = ${ms}`);
  await writeFile(file, limited);
}

beforeAll(async () => {
  lib = await compileLib();
  await limitSender(PATIENCE_MS);
});
afterAll(() => lib.remove());
beforeEach(async () => {
  path = await mkdtemp(join(tmpdir(), 'posthog-crash-'));
  posthog = await startPatientPostHog({ maxRemembered: 10_000 });
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
  const all = JSON.stringify({ apiKey: KEY, host: posthog.url, ...OPTIONS, ...options });
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
function expectAllStored(): void {
  expect(posthog.rows).toHaveLength(EVENTS + 1);
  expect(new Set(posthog.rows.map(({ uuid }) => uuid)).size).toBe(EVENTS + 1);
  expect(crashes()).toMatchObject([
    {
      distinct_id: 'person_of_crash',
      properties: {
        $exception_level: 'fatal',
        $exception_source: 'node.process_uncaught_exception',
        $exception_message: 'the end',
        $exception_list: [{ mechanism: { type: 'onuncaughtexception', handled: false, synthetic: false } }],
      },
    },
  ]);
  expect(posthog.violations).toEqual([]);
}

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

it('delivers AI events, for which no other event waits', async () => {
  let crashed = false;
  posthog.failWhen(({ endpoint }) => {
    if (!crashed) return { hang: true };
    return endpoint === 'ai' && posthog.rows.length <= EVENTS ? { status: 503 } : null;
  });
  await run('throws', { ...BUSY, aiEvents: 3 }, () => (crashed = true));
  const endpoints = posthog.rows.map(({ endpoint }) => endpoint);
  expect(endpoints).toEqual([...Array<string>(EVENTS + 1).fill('analytics'), ...Array<string>(3).fill('ai')]);
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

/** The processes that send the events of a crash, with their command lines and environments. */
const senders = (): { pid: number; shown: string }[] =>
  readdirSync('/proc')
    .filter((pid) => /^\d+$/.test(pid))
    .flatMap((pid) => {
      try {
        const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
        if (!command.includes(`${basename(lib.path)}/crash/crash-sender`)) return [];
        return [{ pid: Number(pid), shown: command + readFileSync(`/proc/${pid}/environ`, 'utf8') }];
      } catch {
        return [];
      }
    });

const onLinux = process.platform === 'linux' ? it : it.skip;

onLinux('shows the key neither in the command line nor in the environment of the process that sends', async () => {
  posthog.failAlways({ hang: true });
  const ended = run('throws', { events: 100, flushIntervalMs: 5 });
  // It waits for PostHog.
  await until(() => senders().length > 0);
  const [sender] = senders();
  expect(sender!.shown.split('\0').filter(Boolean)).toEqual([
    process.execPath,
    expect.stringContaining('crash-sender.js'),
  ]);
  process.kill(sender!.pid, 'SIGKILL');
  expect(await ended).toMatchObject({ code: 1 });
});

it('delays the exit by about two seconds when PostHog does not answer', async () => {
  await limitSender(2000);
  posthog.failAlways({ hang: true });
  const { code, lines, endedAt } = await run('throws', { events: 100, flushIntervalMs: 5 });
  const [, crashedAt] = lines[0] as [string, number];
  expect(code).toBe(1);
  // Far less than the other time limits.
  expect(endedAt - crashedAt).toBeLessThan(20_000);
});
