import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { Agent, createServer as createTlsServer } from 'node:https';
import { type AddressInfo } from 'node:net';
import { Worker } from 'node:worker_threads';
import { afterEach, describe, expect, it } from '@jest/globals';
import { boot, closeAll, onClose, start } from '../support/harness.js';
import { selfSigned } from '../support/self-signed.js';
import { SetClock } from '../support/set-clock.js';

afterEach(closeAll);

const EVENT = { event: 'page_view', distinctId: 'user_123' };
/** Node's own client, and axios. */
const CLIENTS = [
  ['node', {}],
  ['axios', { http: {} }],
] as const;
/** A retry would take longer than the test. */
const OPTIONS = { retryBaseMs: 600_000, retryMaxMs: 600_000, coolDownMs: 600_000, shutdownTimeoutMs: 50 };

async function listen(server: Server): Promise<string> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onClose(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** A server that calls `spoil` instead of answering a request on a connection that was used before. */
function closingServer(spoil: (request: IncomingMessage) => unknown) {
  const used = new WeakMap<object, number>();
  const seen = { requests: 0, connections: 0 };
  const onRequest: RequestListener = (request, response) => {
    const before = used.get(request.socket) ?? 0;
    used.set(request.socket, before + 1);
    seen.requests += 1;
    if (before > 0) return void spoil(request);
    seen.connections += 1;
    request.resume().on('end', () => response.end('{"status":"Ok"}'));
  };
  return { seen, onRequest };
}

describe.each(CLIENTS)('%s', (_name, client) => {
  it.each([
    ['resets', (request: IncomingMessage) => request.socket.resetAndDestroy()],
    ['ends', (request: IncomingMessage) => request.socket.destroy()],
  ])('repeats a request at once if the server %s a reused connection', async (_what, spoil) => {
    const { seen, onRequest } = closingServer(spoil);
    const { capture } = await boot({ host: `http://${await listen(createServer(onRequest))}`, ...client, ...OPTIONS });
    for (let index = 0; index < 3; index += 1) expect(await capture.captureNow(EVENT)).toMatchObject({ success: true });
    capture.capture(EVENT);
    expect(await capture.flush()).toMatchObject({ delivered: 1, error: null });
    expect(seen).toEqual({ requests: 7, connections: 4 });
    const { retries, requests } = capture.stats();
    expect({ retries, total: requests.total, byStatus: requests.byStatus }).toEqual({
      retries: 0,
      total: 4,
      byStatus: { 200: 4 },
    });
  });

  it('opens a new connection after a minute without requests, as the old one may have been dropped', async () => {
    const { seen, onRequest } = closingServer((request) => request.resume().socket.pause());
    const { capture } = await boot({ host: `http://${await listen(createServer(onRequest))}`, ...client, ...OPTIONS });
    expect(await capture.captureNow(EVENT)).toMatchObject({ success: true });
    const clock = new SetClock();
    clock.aheadMs = 60_000;
    const result = await capture.captureNow(EVENT).finally(() => clock.restore());
    expect(result).toMatchObject({ success: true });
    expect(seen).toEqual({ requests: 2, connections: 2 });
  });

  it('counts the repetition in the headers of v1', async () => {
    const { capture, posthog } = await start({ captureMode: 'v1', ...client, ...OPTIONS, retryBaseMs: 4 });
    expect(await capture.captureNow(EVENT)).toMatchObject({ success: true });
    posthog.fail([{ reset: 'after' }, { status: 503 }]);
    expect(await capture.captureNow(EVENT)).toMatchObject({ success: true });
    expect(posthog.requests.map(({ headers }) => headers['posthog-attempt'])).toEqual(['1', '1', '2', '3']);
    expect(posthog.violations).toEqual([]);
    expect(posthog.rows).toHaveLength(2);
    expect(capture.stats()).toMatchObject({ retries: 1, requests: { byStatus: { 200: 2, 503: 1 } } });
  });

  it('repeats it over TLS', async () => {
    const identity = selfSigned();
    const { seen, onRequest } = closingServer((request) => request.socket.destroy());
    const agent = new Agent({ keepAlive: true, ca: identity.cert });
    onClose(async () => {
      await Promise.resolve();
      agent.destroy();
    });
    const host = `https://${await listen(createTlsServer(identity, onRequest))}`;
    // Node's own client has no options, so both runs use an agent of the application.
    const { capture } = await boot({ host, ...OPTIONS, http: { httpsAgent: agent } });
    for (let index = 0; index < 2; index += 1) expect(await capture.captureNow(EVENT)).toMatchObject({ success: true });
    expect(seen).toEqual({ requests: 3, connections: 2 });
  });

  it.each([
    ['a new connection is reset', () => 'reset'],
    ['a part of an answer arrived', (used: boolean) => (used ? 'part' : 'answer')],
  ])('does not repeat it at once if %s', async (_what, behaviour) => {
    const used = new WeakSet<object>();
    let requests = 0;
    const server = createServer(({ socket }, response) => {
      requests += 1;
      const what = behaviour(used.has(socket));
      used.add(socket);
      if (what === 'answer') response.end('{"status":"Ok"}');
      else if (what === 'part') socket.write('HTTP/1.1 200 O', () => socket.destroy());
      else socket.resetAndDestroy();
    });
    const { capture } = await boot({
      host: `http://${await listen(server)}`,
      ...client,
      ...OPTIONS,
      maxRetries: 0,
    });
    await capture.captureNow(EVENT);
    const before = requests;
    expect(await capture.captureNow(EVENT)).toMatchObject({ success: false });
    expect(requests).toBe(before + 1);
    expect(capture.stats().requests.byStatus).toMatchObject({ network: expect.any(Number) });
  });

  it('repeats it only once', async () => {
    let requests = 0;
    const server = createServer((request, response) => {
      requests += 1;
      if (requests === 1) request.resume().on('end', () => response.end('{"status":"Ok"}'));
      else request.socket.resetAndDestroy();
    });
    const { capture } = await boot({
      host: `http://${await listen(server)}`,
      ...client,
      ...OPTIONS,
      maxRetries: 0,
    });
    expect(await capture.captureNow(EVENT)).toMatchObject({ success: true });
    expect(await capture.captureNow(EVENT)).toMatchObject({ success: false });
    expect(requests).toBe(3);
    expect(capture.stats().requests.byStatus).toEqual({ 200: 1, network: 1 });
  });
});

/** Answers while the main thread is blocked. Reports each request, and counts its answers in shared memory. */
const ANSWERING = `
  const { createServer } = require('node:http');
  const { parentPort, workerData } = require('node:worker_threads');
  const server = createServer((request, response) => {
    request.resume().on('end', () => {
      parentPort.postMessage('request');
      if (workerData.silent) return;
      setTimeout(() => {
        response.end('{"status":"Ok"}', () => { Atomics.add(workerData.answers, 0, 1); Atomics.notify(workerData.answers, 0); });
      }, 20);
    });
  }).listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port));
`;

describe.each(CLIENTS)('a blocked event loop, %s', (_name, client) => {
  async function startServer(silent = false) {
    const answers = new Int32Array(new SharedArrayBuffer(4));
    const server = new Worker(ANSWERING, { eval: true, workerData: { answers, silent } });
    onClose(() => server.terminate());
    const [port] = (await once(server, 'message')) as [number];
    /** Blocks, from the next request on, until the answer has arrived and `ms` are over. */
    const blockDuringRequest = async (ms: number): Promise<void> => {
      await once(server, 'message');
      if (!silent) Atomics.wait(answers, 0, 0, 60_000);
      const never = new Int32Array(new SharedArrayBuffer(4));
      Atomics.wait(never, 0, 0, ms);
    };
    return { host: `http://127.0.0.1:${port}`, blockDuringRequest };
  }

  it.each([
    ['requestTimeoutMs', { requestTimeoutMs: 1000 }, 60_000],
    ['timeoutMs', {}, 1000],
  ])('longer than %s does not discard an answer that has arrived', async (_what, options, timeoutMs) => {
    const { host, blockDuringRequest } = await startServer();
    const { capture } = await boot({ host, ...client, ...OPTIONS, ...options });
    const blocked = blockDuringRequest(1100);
    const result = capture.captureNow(EVENT, { timeoutMs });
    await blocked;
    expect(await result).toMatchObject({ success: true, error: null });
    expect(capture.stats()).toMatchObject({ delivered: 1, coolDownUntil: null, requests: { byStatus: { 200: 1 } } });
  });

  it('longer than the time limit of flush does not discard an answer that has arrived', async () => {
    const { host, blockDuringRequest } = await startServer();
    const { capture } = await boot({ host, ...client, ...OPTIONS });
    capture.capture(EVENT);
    const blocked = blockDuringRequest(1100);
    const report = capture.flush({ timeoutMs: 1000 });
    await blocked;
    expect(await report).toEqual({ delivered: 1, pending: 0, dropped: {}, error: null });
  });

  it('still ends a request without an answer', async () => {
    const { host, blockDuringRequest } = await startServer(true);
    const { capture } = await boot({ host, ...client, ...OPTIONS, requestTimeoutMs: 1000, maxRetries: 0 });
    const blocked = blockDuringRequest(1100);
    const result = capture.captureNow(EVENT);
    await blocked;
    expect(await result).toMatchObject({ success: false, error: 'PostHog request timed out after 1000 ms' });
  });
});
