import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { FakePostHog } from 'nestjs-posthog-capture/testing';
import { type CompiledLib, compileLib } from '../support/compiled-lib.js';
import { KEY } from '../support/harness.js';
import { ADAPTERS } from '../support/serve.js';

// Starting processes is slow on a busy machine.
jest.setTimeout(60_000);

const CHILD = fileURLToPath(new URL('../support/serving-child.mjs', import.meta.url));

let lib: CompiledLib;
let posthog: FakePostHog;
const running: ChildProcess[] = [];

beforeAll(async () => {
  lib = await compileLib();
});
afterAll(() => lib.remove());
beforeEach(async () => {
  posthog = await FakePostHog.start({ apiKey: KEY });
});
afterEach(async () => {
  for (const child of running.splice(0)) child.kill('SIGKILL');
  await posthog.close();
});

/** Ends a process by SIGTERM while it responds to a request, and returns the stored events. */
async function endDuring(
  path: string,
  adapter: string,
  nest: { forceCloseConnections: boolean },
  module: object = {},
): Promise<string[]> {
  const options = { host: posthog.url, apiKey: KEY, requests: true, ...module };
  const child = spawn(process.execPath, [CHILD, lib.path, adapter, JSON.stringify(nest), JSON.stringify(options)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  running.push(child);
  const ended = once(child, 'exit');
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const next = async (): Promise<string> => String((await lines.next()).value);
  const url = await next();
  const request = get(`${url}/${path}`, { agent: false });
  request.on('error', () => undefined);
  if (path === 'waits') {
    expect(await next()).toBe('waits');
  } else {
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    response.on('error', () => undefined);
    await once(response, 'data');
  }
  child.kill('SIGTERM');
  expect(await next()).toBe('closing');
  // Without forceCloseConnections, Nest waits for the client.
  if (!nest.forceCloseConnections) request.destroy();
  await ended;
  expect(child.signalCode).toBe('SIGTERM');
  return posthog.events
    .map(({ event, properties }) => `${event} ${typeof properties.$outcome === 'string' ? properties.$outcome : '-'}`)
    .sort((one, other) => one.localeCompare(other));
}

describe.each(ADAPTERS)('SIGTERM while a response is open, %s', (adapter) => {
  describe.each([true, false])('forceCloseConnections: %s', (forceCloseConnections) => {
    it.each([
      ['stream', ['http_request aborted', 'sse aborted', 'stream_left -']],
      ['untracked', ['http_request aborted', 'stream_left -']],
      ['file', ['file aborted', 'http_request aborted']],
      ['waits', ['http_request aborted', 'waits aborted']],
    ])('delivers the events of /%s', async (path, events) => {
      expect(await endDuring(path, adapter, { forceCloseConnections })).toEqual(events);
    });
  });

  it('delivers what code captures at the end of a stream that is not tracked', async () => {
    const events = await endDuring('untracked', adapter, { forceCloseConnections: true }, { requests: false });
    expect(events).toEqual(['stream_left -']);
  });

  it('delivers them when PostHog is slow', async () => {
    posthog.failAlways({ delayMs: 200 });
    const events = await endDuring('stream', adapter, { forceCloseConnections: true });
    expect(events).toEqual(['http_request aborted', 'sse aborted', 'stream_left -']);
  });
});
