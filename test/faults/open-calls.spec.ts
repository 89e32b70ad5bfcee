import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { type FakePostHog } from 'nestjs-posthog-capture/testing';
import { type CompiledLib, compileLib } from '../support/compiled-lib.js';
import { KEY, PATIENT } from '../support/harness.js';
import { ADAPTERS } from '../support/serve.js';
import { startPatientPostHog } from '../support/patient-posthog.js';

const CHILD = fileURLToPath(new URL('../support/serving-child.mjs', import.meta.url));

let lib: CompiledLib;
let posthog: FakePostHog;
const running: ChildProcess[] = [];

beforeAll(async () => {
  lib = await compileLib();
});
afterAll(() => lib.remove());
beforeEach(async () => {
  posthog = await startPatientPostHog();
});
afterEach(async () => {
  for (const child of running.splice(0)) child.kill('SIGKILL');
  await posthog.close();
});

/** Ends a process by SIGTERM while it responds to requests, and returns the stored events. */
async function endDuring(
  paths: readonly string[],
  adapter: string,
  nest: { forceCloseConnections: boolean },
  module: object = {},
): Promise<string[]> {
  const options = { ...PATIENT, host: posthog.url, apiKey: KEY, requests: true, ...module };
  const child = spawn(process.execPath, [CHILD, lib.path, adapter, JSON.stringify(nest), JSON.stringify(options)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  running.push(child);
  const ended = once(child, 'exit');
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const next = async (): Promise<string> => String((await lines.next()).value);
  const url = await next();
  const requests = [];
  for (const path of paths) {
    const request = get(`${url}/${path}`, { agent: false });
    requests.push(request);
    request.on('error', () => undefined);
    if (path === 'waits') {
      expect(await next()).toBe('waits');
    } else {
      const [response] = (await once(request, 'response')) as [IncomingMessage];
      response.on('error', () => undefined);
      await once(response, 'data');
    }
  }
  child.kill('SIGTERM');
  expect(await next()).toBe('closing');
  // Without forceCloseConnections, Nest waits for the client.
  if (!nest.forceCloseConnections) for (const request of requests) request.destroy();
  await ended;
  expect(child.signalCode).toBe('SIGTERM');
  return posthog.events
    .map(({ event, properties }) =>
      [event, properties.$request_route, properties.$outcome].filter((part) => typeof part === 'string').join(' '),
    )
    .sort();
}

describe.each(ADAPTERS)('SIGTERM while responses are open, %s', (adapter) => {
  it.each([true, false])('delivers the events of all of them, forceCloseConnections: %s', async (force) => {
    const paths = ['stream', 'untracked', 'file', 'waits'];
    expect(await endDuring(paths, adapter, { forceCloseConnections: force })).toEqual([
      'file /file aborted',
      'http_request /file aborted',
      'http_request /stream aborted',
      'http_request /untracked aborted',
      'http_request /waits aborted',
      'sse /stream aborted',
      'stream_left',
      'stream_left',
      'waits /waits aborted',
    ]);
  });

  it('delivers what code captures at the end of a stream that is not tracked', async () => {
    const events = await endDuring(['untracked'], adapter, { forceCloseConnections: true }, { requests: false });
    expect(events).toEqual(['stream_left']);
  });

  it('delivers them when PostHog is slow', async () => {
    posthog.failAlways({ delayMs: 200 });
    const events = await endDuring(['stream'], adapter, { forceCloseConnections: true });
    expect(events).toEqual(['http_request /stream aborted', 'sse /stream aborted', 'stream_left']);
  });
});
