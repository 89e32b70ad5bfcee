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

afterEach(closeAll);

/** Node's own client, and axios, which is taken where anything is asked for. */
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

function senderTo(host: string, settings: object | undefined, requestTimeoutMs = 5000): BatchSender {
  const client = privateClient(settings);
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

/** Packed it is more than the system holds of a request that nobody reads. */
const LARGE = JSON.stringify(Array.from({ length: 2_000_000 }, (_, n) => Math.imul(n, 2_654_435_761)));

const attempt = { number: 1, signal: new AbortController().signal };

describe.each(['v0', 'v1'])('%s', (format) => {
  it('is the same request whichever client sends it', async () => {
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

/** What a client would like to get is its own business. */
const isShared = (header: string): boolean => !header.startsWith('accept');

describe.each(CLIENTS)('%s', (name, settings) => {
  const refusal = JSON.stringify({ results: { [EVENT.id]: { result: 'drop', details: 'no' } } });

  it.each([
    ['gzip', gzipSync(refusal)],
    ['deflate', deflateSync(refusal)],
    ['br', brotliCompressSync(refusal)],
    ['identity', Buffer.from(refusal)],
  ])('reads an answer that is packed: %s', async (encoding, body) => {
    const url = await serve((request, response) => {
      request.resume();
      request.on('end', () => response.writeHead(200, { 'Content-Encoding': encoding }).end(body));
    });
    const outcome = await senderTo(url, settings).send(batchOf('v1'), attempt);
    expect(outcome).toMatchObject({ kind: 'settled', rejected: [{ id: EVENT.id }], code: 200 });
  });

  it.each([
    ['is no gzip', Buffer.from('{"results":{}}')],
    ['breaks off', gzipSync(refusal).subarray(0, 20)],
  ])('takes the status where the packed answer %s', async (_what, body) => {
    const url = await serve((request, response) => {
      request.resume();
      request.on('end', () => {
        response.writeHead(200, { 'Content-Encoding': 'gzip' });
        response.end(body);
      });
    });
    const outcome = await senderTo(url, settings).send(batchOf('v1'), attempt);
    expect(outcome).toMatchObject({ kind: 'settled', rejected: [], retry: [], code: 200 });
  });

  it.each([
    ['unpacked', {}],
    ['packed', { 'Content-Encoding': 'gzip' }],
  ])('takes the status when the time is over before an answer ends: %s', async (_what, headers) => {
    const closed: Promise<unknown>[] = [];
    const url = await serve((request, response) => {
      closed.push(once(response, 'close'));
      request.resume();
      request.on('end', () => response.writeHead(200, headers).write('{'));
    });
    const outcome = await senderTo(url, settings, 100).send(batchOf('v1'), attempt);
    expect(outcome).toMatchObject({ kind: 'settled', code: 200 });
    // Nobody reads on.
    await Promise.all(closed);
    expect(closed).toHaveLength(1);
  });

  it('takes the status where an answer breaks off, or its packing is unknown', async () => {
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
    expect(await sender.send(batchOf('v1'), attempt)).toMatchObject({ kind: 'settled', code: 200 });
    expect(await sender.send(batchOf('v1'), attempt)).toMatchObject({ kind: 'settled', code: 200 });
    expect(await sender.send(batchOf('v1'), attempt)).toMatchObject({ kind: 'tooLarge', code: 413 });
  });

  it.each([
    // Of what is refused, nobody needs the rest: one who does not read it would hold the connection for ever.
    [413, 'tooLarge', 'a part'],
    // Who takes it may do so at leisure.
    [200, 'settled', 'all'],
  ])('takes a status that comes before the body is sent: %i', async (status, kind, sent) => {
    const requests: IncomingMessage[] = [];
    const url = await serve((request, response) => {
      // All of the answer, but not its end, after which Node would read the body.
      requests.push(request.pause());
      response.writeHead(status, { 'Content-Length': 9 }).write('too large');
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

  it('ends a request that gets no answer in time', async () => {
    const closed: Promise<unknown>[] = [];
    const url = await serve((request, response) => {
      closed.push(once(response, 'close'));
      request.resume();
    });
    const outcome = await senderTo(url, settings, 100).send(batchOf('v0'), attempt);
    expect(outcome).toMatchObject({ kind: 'retryable', code: 'timeout' });
    await Promise.all(closed);
    expect(closed).toHaveLength(1);
  });

  it('ends a request whose answer is a switch to another protocol', async () => {
    const url = await serve((request, response) => {
      request.resume();
      request.on('end', () => response.writeHead(101, { Connection: 'Upgrade', Upgrade: 'websocket' }).end());
    });
    // Node throws such an answer away. Its own client learns of that; axios waits for another one.
    const own = name === 'node';
    const message = own ? /closed without a response.* protocol \(ECONNRESET\)$/ : /timed out after 100 ms$/;
    expect(await senderTo(url, settings, own ? 5000 : 100).send(batchOf('v1'), attempt)).toMatchObject({
      kind: 'retryable',
      code: own ? 'network' : 'timeout',
      failure: { message: expect.stringMatching(message) },
    });
  });

  it('sends on one connection, whatever the answers', async () => {
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

/** In a process of its own, because Jest keeps Node's modules as they were. Prints how many requests went through what took the place of Node's own. */
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

it('looks up what sends a request each time: tests and instrumentation replace it, and put it back', async () => {
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
