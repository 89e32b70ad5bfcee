import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo } from 'node:net';
import { promisify } from 'node:util';
import { brotliCompressSync, deflateSync, gunzipSync, gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from '@jest/globals';
import { type Batch } from '../../lib/delivery/delivery.js';
import { BatchSender } from '../../lib/wire/batch-sender.js';
import { privateClient } from '../../lib/wire/private-client.js';
import { compileLib } from '../support/compiled-lib.js';
import { closeAll, KEY, onClose } from '../support/harness.js';
import { PATIENCE_MS } from '../support/until.js';

afterEach(closeAll);

/** Node's own client, and axios, which is used if any option requires it. */
const CLIENTS = [
  ['node', undefined],
  ['axios', {}],
] as const;

const EVENT = {
  id: '0190b5c7-6a2e-7cc3-9f5e-4d2a1b3c5d6e',
  name: 'page_view',
  orderKey: 'user_123',
  payload: '{"event":"page_view","distinct_id":"user_123","properties":{"word":"Grüße \u{1f600}"}}',
  bytes: 90,
  capturedAt: 1_700_000_000_000,
};

const batchOf = (format: string): Batch => ({ id: 'b', createdAt: 1, format, events: [{ ...EVENT, format }] });

async function serve(answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<string> {
  const server = createServer(answer).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onClose(() => {
    server.closeAllConnections();
    server.close();
    return Promise.resolve();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/ingest`;
}

function senderTo(host: string, settings: object | undefined, requestTimeoutMs = PATIENCE_MS): BatchSender {
  const client = privateClient(settings, host);
  onClose(async () => {
    await Promise.resolve();
    client.releaseConnections();
  });
  return new BatchSender(client, {
    host,
    apiKey: KEY,
    compression: 'gzip',
    requestTimeoutMs,
    historicalMigration: false,
    names: { apiKey: 'POSTHOG_API_KEY', host: 'POSTHOG_HOST', captureMode: 'POSTHOG_CAPTURE_MODE' },
  });
}

/** Larger than the socket buffers, even compressed. */
const LARGE = JSON.stringify(Array.from({ length: 2_000_000 }, (_, n) => Math.imul(n, 2_654_435_761)));

const attempt = { number: 1, signal: new AbortController().signal };

describe.each(['v0', 'v1'])('%s', (format) => {
  it('both clients send the same request', async () => {
    const seen: object[] = [];
    const url = await serve((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const { method, url: path, headers } = request;
        const body = gunzipSync(Buffer.concat(chunks)).toString();
        const stable = body.replace(/"sent_at":"[^"]+"/, '"sent_at":""');
        seen.push({ method, path, body: stable, headers: Object.keys(headers).filter(isShared).sort() });
        response.end('{}');
      });
    });
    for (const [, settings] of CLIENTS) {
      const outcome = await senderTo(url, settings).send(batchOf(format), attempt);
      expect(outcome).toMatchObject({ kind: 'settled', rejected: [], code: 200 });
    }
    const [first, second] = seen;
    expect(JSON.stringify(first)).toContain('Grüße \u{1f600}');
    expect(first).toEqual(second);
  });
});

/** Accept headers may differ between clients. */
const isShared = (header: string): boolean => !header.startsWith('accept');

describe.each(CLIENTS)('%s', (name, settings) => {
  const refusal = JSON.stringify({ results: { [EVENT.id]: { result: 'drop', details: 'no' } } });

  it.each([
    ['gzip', gzipSync(refusal)],
    ['deflate', deflateSync(refusal)],
    ['br', brotliCompressSync(refusal)],
    ['identity', Buffer.from(refusal)],
  ])('reads a response with content encoding %s', async (encoding, body) => {
    const url = await serve((request, response) => {
      request.resume();
      request.on('end', () => response.writeHead(200, { 'Content-Encoding': encoding }).end(body));
    });
    const outcome = await senderTo(url, settings).send(batchOf('v1'), attempt);
    expect(outcome).toMatchObject({ kind: 'settled', rejected: [{ id: EVENT.id }], code: 200 });
  });

  it.each([
    ['is not gzip', Buffer.from('{"results":{}}')],
    ['is incomplete', gzipSync(refusal).subarray(0, 20)],
  ])('does not deliver if the compressed v1 response %s', async (_what, body) => {
    const url = await serve((request, response) => {
      request.resume();
      request.on('end', () => {
        response.writeHead(200, { 'Content-Encoding': 'gzip' });
        response.end(body);
      });
    });
    const outcome = await senderTo(url, settings).send(batchOf('v1'), attempt);
    expect(outcome).toMatchObject({ kind: 'settled', rejected: [], retry: [EVENT.id], code: 200 });
  });

  it.each([
    ['uncompressed', {}],
    ['compressed', { 'Content-Encoding': 'gzip' }],
  ])('uses the status if the response body times out: %s', async (_what, headers) => {
    const closed: Promise<unknown>[] = [];
    const url = await serve((request, response) => {
      closed.push(once(response, 'close'));
      request.resume();
      request.on('end', () => response.writeHead(200, headers).write('{'));
    });
    const outcome = await senderTo(url, settings, 1000).send(batchOf('v1'), attempt);
    expect(outcome).toMatchObject({ kind: 'settled', retry: [EVENT.id], code: 200 });
    // The rest is not read.
    await Promise.all(closed);
    expect(closed).toHaveLength(1);
  });

  it('uses the status if the response is incomplete or has an unknown encoding', async () => {
    const answers: ((response: ServerResponse) => void)[] = [
      (response) =>
        response.writeHead(200, { 'Content-Length': 100 }).write('{', () => response.socket?.resetAndDestroy()),
      (response) => response.writeHead(200, { 'Content-Encoding': 'constructor' }).end('{}'),
      (response) => response.writeHead(413, { Connection: 'close' }).end(() => response.socket?.destroy()),
    ];
    const url = await serve((request, response) => {
      request.resume();
      request.on('end', () => answers.shift()?.(response));
    });
    const sender = senderTo(url, settings);
    expect(await sender.send(batchOf('v0'), attempt)).toMatchObject({ kind: 'settled', code: 200 });
    expect(await sender.send(batchOf('v0'), attempt)).toMatchObject({ kind: 'settled', code: 200 });
    expect(await sender.send(batchOf('v0'), attempt)).toMatchObject({ kind: 'tooLarge', code: 413 });
  });

  it.each([
    // The rest of a refused request is not sent, because a server that does not read would block the connection.
    [413, 'tooLarge', 'a part'],
    // An accepted request is sent completely.
    [200, 'settled', 'all'],
  ])('uses a status that arrives before the request was sent: %i', async (status, kind, sent) => {
    const requests: IncomingMessage[] = [];
    const url = await serve((request, response) => {
      // The complete response without ending it, because Node would then read the request body.
      requests.push(request.pause());
      response.writeHead(status, { 'Content-Length': 12 }).write('{"status":1}');
    });
    const batch = { ...batchOf('v0'), events: [{ ...EVENT, format: 'v0', payload: LARGE, bytes: LARGE.length }] };
    expect(await senderTo(url, settings, 15_000).send(batch, attempt)).toMatchObject({ kind, code: status });
    const [request] = requests;
    const seen = new Promise((resolve) => {
      request?.once('end', () => resolve('all')).once('close', () => resolve('a part'));
    });
    request?.resume();
    expect(await seen).toBe(sent);
  });

  it('aborts a request without a response in time', async () => {
    const closed: Promise<unknown>[] = [];
    const url = await serve((request, response) => {
      closed.push(once(response, 'close'));
      request.resume();
    });
    // Long enough for the request to arrive on a busy machine.
    const outcome = await senderTo(url, settings, 2000).send(batchOf('v0'), attempt);
    expect(outcome).toMatchObject({ kind: 'retryable', code: 'timeout' });
    await Promise.all(closed);
    expect(closed).toHaveLength(1);
  });

  it('fails a request whose response switches protocols', async () => {
    const url = await serve((request, response) => {
      request.resume();
      request.on('end', () => response.writeHead(101, { Connection: 'Upgrade', Upgrade: 'websocket' }).end());
    });
    // Node discards such a response. Its own client reports an error; axios waits until the timeout.
    const own = name === 'node';
    const message = own ? /closed without a response.* protocol \(ECONNRESET\)$/ : /timed out after 100 ms$/;
    expect(await senderTo(url, settings, own ? undefined : 100).send(batchOf('v1'), attempt)).toMatchObject({
      kind: 'retryable',
      code: own ? 'network' : 'timeout',
      failure: { message: expect.stringMatching(message) },
    });
  });

  it('reuses one connection, whatever the responses', async () => {
    const ports = new Set<number | undefined>();
    const statuses = [200, 413, 503, 200];
    const left = statuses.values();
    const url = await serve((request, response) => {
      ports.add(request.socket.remotePort);
      request.resume();
      request.on('end', () => response.writeHead(left.next().value ?? 500).end('{}'));
    });
    const sender = senderTo(url, settings);
    for (const code of statuses) expect(await sender.send(batchOf('v1'), attempt)).toMatchObject({ code });
    expect(ports.size).toBe(1);
  });
});

/** Runs in its own process, because Jest isolates Node's modules. Prints the number of requests through the patched functions. */
const REPLACED_BETWEEN_REQUESTS = `
  import http from 'node:http';
  import { syncBuiltinESMExports } from 'node:module';
  const [, path, url] = process.argv;
  const { nodeClient } = await import(path);
  const client = nodeClient();
  const post = () => client.post({ url, headers: {}, body: Buffer.from('{}') }, new AbortController().signal);
  const { request } = http;
  let seen = 0;
  const use = (one) => { http.request = one; syncBuiltinESMExports(); };
  await post();
  use((...given) => { seen += 1; return request(...given); });
  await post();
  use(request);
  await post();
  client.releaseConnections();
  console.log(seen);
`;

it('looks up http.request for each request, so that tests and instrumentation can patch it', async () => {
  const lib = await compileLib();
  onClose(() => lib.remove());
  let arrived = 0;
  const url = await serve((request, response) => {
    arrived += 1;
    request.resume();
    request.on('end', () => response.end('{}'));
  });
  const script = ['--input-type=module', '-e', REPLACED_BETWEEN_REQUESTS, `${lib.path}/wire/node-client.js`, url];
  const { stdout } = await promisify(execFile)(process.execPath, script);
  expect([stdout.trim(), arrived]).toEqual(['1', 3]);
});
