import { execFileSync } from 'node:child_process';
import { copyFileSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { type QueuedEvent } from 'nestjs-posthog-capture';
import { fileEventStore } from 'nestjs-posthog-capture/store';
import { type FakePostHog } from 'nestjs-posthog-capture/testing';
import { type Child, Children } from '../support/children.js';
import { type CompiledLib, compileLib } from '../support/compiled-lib.js';
import { startPatientPostHog } from '../support/patient-posthog.js';

/** Limits of the system that meet a store at boot: none of them may crash the process, refuse the boot, or cost a whole file. */
let lib: CompiledLib;
let path = '';
let posthog: FakePostHog;
let children: Children;

beforeAll(async () => {
  lib = await compileLib();
});
afterAll(() => lib.remove());
beforeEach(async () => {
  path = await mkdtemp(join(tmpdir(), 'posthog-limits-'));
  await chmod(path, 0o755);
  posthog = await startPatientPostHog({ maxRemembered: 1_000_000 });
  children = new Children();
});
afterEach(async () => {
  children.killAll();
  await posthog.close();
  await rm(path, { recursive: true, force: true });
});

type Start = Partial<Parameters<Children['start']>[0]>;

function start(task: 'capture' | 'drain', { options = {}, ...rest }: Start = {}): Child {
  return children.start({ lib, task, options: { host: posthog.url, storeOptions: { path }, ...options }, ...rest });
}

/**
 * Captures while PostHog is down, is killed, and leaves its files. Returns the uuids that it had kept: all of them, because it captures no
 * more than it has said when it is killed.
 */
async function killed(rest: Start = {}, captures = 100): Promise<readonly string[]> {
  posthog.failWhen(() => ({ status: 503 }));
  const child = start('capture', { ...rest, options: { ...rest.options, captures } });
  const lines = 1 + captures;
  await child.said(lines);
  if (child.lines.length < lines)
    throw new Error([child.process.signalCode, ...child.lines, ...child.warnings].join('\n'));
  child.process.kill('SIGKILL');
  await child.ended;
  posthog.failWhen(() => null);
  return child.captured();
}

/** Sends what the store holds in a process of its own. Returns what it printed. */
async function drained(rest: Start = {}) {
  const child = start('drain', rest);
  await child.ended;
  const { exitCode, signalCode } = child.process;
  return { stats: JSON.parse(child.lines[0] ?? 'null') as unknown, warnings: child.warnings, exitCode, signalCode };
}

const stored = () => new Set(posthog.rows.map(({ uuid }) => uuid));
const namesOf = async (ending: string) => (await readdir(path)).filter((name) => name.endsWith(ending));

/** Copies the only file of the store under the names of other owners. */
async function multiply(count: number): Promise<void> {
  const [name = ''] = await namesOf('.events');
  const [origin = '', project = ''] = name.split('.');
  for (let index = 0; index < count; index += 1) {
    const owner = `${origin.replace(/-\d+$/, '')}x${index}`;
    copyFileSync(join(path, name), join(path, `${owner}-1.${project}.${owner}.events`));
  }
}

it('takes over hundreds of files with few descriptors', async () => {
  const uuids = await killed({}, 20);
  await multiply(300);
  const { stats, exitCode, warnings } = await drained({ limits: 'ulimit -n 256;' });
  expect({ exitCode, warnings }).toEqual({ exitCode: 0, warnings: [] });
  expect(stats).toMatchObject({ pending: 0, recovered: uuids.length * 301, dropped: 0 });
  expect([...stored()].sort()).toEqual([...uuids].sort());
  expect(await readdir(path)).toEqual([]);
});

it('takes over thousands of files in flat memory, and sends the first events soon', async () => {
  await killed();
  await multiply(2000);
  // Each file has at least a hundred events: far more than there is capacity for at once.
  const flags = ['--max-old-space-size=64'];
  const child = start('drain', { nodeFlags: flags, options: { maxQueueEvents: 2000, flushAt: 1000 } });
  await Promise.race([posthog.waitForEvents(1), child.ended]);
  expect(child.process.exitCode).toBe(null);
  child.process.kill('SIGKILL');
  await child.ended;
  expect(await namesOf('.damaged')).toEqual([]);
});

const STORE_SCRIPT = `
  const { openSync, closeSync, readdirSync } = require('node:fs');
  const [lib, path, free] = process.argv.slice(1);
  const say = (key, value) => console.log(JSON.stringify({ [key]: value }));
  const event = { id: 'new', name: 'new', orderKey: 'a', format: 'v0', payload: '{}', bytes: 2, capturedAt: 1 };
  (async () => {
    const { fileEventStore } = await import(lib + '/stores/file-event-store.js');
    const taken = [];
    try { for (;;) taken.push(openSync('/dev/null')); } catch {}
    for (let index = 0; index < Number(free); index += 1) closeSync(taken.pop());
    const store = fileEventStore({ path });
    const attempt = async () => {
      try {
        const { events } = await store.recover({ project: 'abc', maxEvents: 1000, maxBytes: 1e9 });
        await store.append([event]);
        say('recovered', events.length);
      } catch (error) { say('failed', [error.temporary ?? null, (error.code ?? error.cause?.code)]); }
    };
    await attempt();
    while (taken.length > 0) closeSync(taken.pop());
    await attempt();
    await store.close();
  })();
`;

it.each([0, 1, 2, 3, 4])('treats a shortage as one if %d descriptors are free', async (free) => {
  const former = fileEventStore({ path });
  await former.recover({ project: 'abc', maxEvents: 0, maxBytes: 0 });
  await former.append([eventOf('old')]);
  await former.close();
  const command = `ulimit -n 50; exec "$@"`;
  const args = ['-c', command, 'sh', process.execPath, '-e', STORE_SCRIPT, lib.path, path, String(free)];
  const output = execFileSync('sh', args, { encoding: 'utf8' }).trim().split('\n');
  const [first = '{}', second = '{}'] = output;
  const { recovered = 0, failed } = JSON.parse(first) as { recovered?: number; failed?: unknown };
  if (failed !== undefined) expect([true, null]).toContain((failed as unknown[])[0]);
  const rest = (JSON.parse(second) as { recovered: number }).recovered;
  expect(output).toHaveLength(2);
  expect(recovered + rest).toBeGreaterThanOrEqual(failed === undefined ? 1 : 0);
  expect(await namesOf('.damaged')).toEqual([]);
  // The old event, if it was not given out before a later step failed, and the new one.
  const next = fileEventStore({ path });
  const { events } = await next.recover({ project: 'abc', maxEvents: 10, maxBytes: 1e9 });
  await next.close();
  expect(events.map(({ id }) => id)).toEqual(['old', 'new']);
});

const FULL_DISK_SCRIPT = `
  const [lib, path] = process.argv.slice(1);
  const event = (id) => ({ id, name: 'new', orderKey: 'a', format: 'v0', payload: 'x'.repeat(600), bytes: 600, capturedAt: 1 });
  (async () => {
    const { fileEventStore } = await import(lib + '/stores/file-event-store.js');
    const store = fileEventStore({ path });
    await store.recover({ project: 'abc', maxEvents: 1, maxBytes: 1 });
    await store.append([event('kept')]);
    await store.append([event('refused')]).catch(({ code }) => console.log(code));
    await store.close();
  })();
`;

it('calls no file damaged because the disk accepted only a part of a block', async () => {
  const command = `trap '' XFSZ; ulimit -f 2; exec "$@"`;
  const args = ['-c', command, 'sh', process.execPath, '-e', FULL_DISK_SCRIPT, lib.path, path];
  expect(execFileSync('sh', args, { encoding: 'utf8' }).trim()).toBe('EFBIG');
  const next = fileEventStore({ path });
  const request = { project: 'abc', maxEvents: 10, maxBytes: 1e9 };
  const { events } = await next.recover(request);
  await next.remove(events);
  const { warnings } = await next.recover(request);
  await next.close();
  expect([events.map(({ id }) => id), warnings]).toEqual([['kept'], []]);
});

const permission = ['--permission', '--experimental-permission'].find((flag) =>
  process.allowedNodeEnvironmentFlags.has(flag),
);

it('works under the permission model without child processes, addons and workers', async () => {
  const nodeFlags = [permission ?? '--experimental-permission', '--allow-fs-read=*', `--allow-fs-write=${path}/`];
  const uuids = await killed({ nodeFlags });
  expect(uuids.length).toBeGreaterThan(90);
  const { stats, exitCode } = await drained({ nodeFlags });
  expect([exitCode, stats]).toEqual([0, expect.objectContaining({ pending: 0, recovered: uuids.length })]);
  expect(stored()).toEqual(new Set(uuids));
});

const isRoot = process.getuid?.() === 0;
const asRoot = isRoot ? it : it.skip;

asRoot('leaves files of another user to that user, with a warning', async () => {
  const uuids = await killed();
  await chmod(lib.path, 0o755);
  for (const name of await namesOf('.lock')) await rm(join(path, name));
  await chmod(path, 0o777);
  const preload = join(lib.path, 'other-user.mjs');
  await writeFile(preload, 'process.setgid(65534); process.setuid(65534);');
  const other = await drained({ nodeFlags: ['--import', preload] });
  expect(other).toMatchObject({ exitCode: 0, stats: { recovered: 0 } });
  expect(other.warnings.join()).toMatch(/cannot be used \(EACCES\)/);
  expect(await namesOf('.damaged')).toEqual([]);
  expect(await drained()).toMatchObject({ stats: { recovered: uuids.length }, warnings: [] });
});

asRoot('sends what a full volume holds: neither taking over nor removing needs space', async () => {
  const volume = join(path, 'volume');
  await mkdir(volume);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', volume]);
  } catch {
    console.warn('skipped: a tmpfs cannot be mounted here');
    return;
  }
  try {
    const uuids = await killed({ options: { storeOptions: { path: volume } } });
    const rest = Buffer.alloc(1024 * 1024);
    await writeFile(join(volume, 'rest'), rest).catch(() => undefined);
    await expect(writeFile(join(volume, 'more'), rest.subarray(0, 4096))).rejects.toThrow('ENOSPC');
    const { stats, exitCode } = await drained({ options: { storeOptions: { path: volume } } });
    expect([exitCode, stats]).toEqual([0, expect.objectContaining({ pending: 0, recovered: uuids.length })]);
    expect(stored()).toEqual(new Set(uuids));
    expect((await readdir(volume)).filter((name) => name.endsWith('.events'))).toEqual([]);
  } finally {
    execFileSync('umount', [volume]);
  }
});

it('lets nobody take over the files of a stopped process, and everybody those of a killed one', async () => {
  posthog.failWhen(() => ({ status: 503 }));
  const child = start('capture');
  await child.said(100);
  child.process.kill('SIGSTOP');
  posthog.failWhen(() => null);
  expect(await drained()).toMatchObject({ stats: { recovered: 0 } });
  child.process.kill('SIGKILL');
  await child.ended;
  const { stats } = await drained();
  expect((stats as { recovered: number }).recovered).toBeGreaterThanOrEqual(child.captured().length);
});

function eventOf(id: string): QueuedEvent {
  return { id, name: id, orderKey: 'a', format: 'v0', payload: '{}', bytes: 2, capturedAt: 1 };
}
