import { once } from 'node:events';
import { Agent } from 'node:https';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { afterEach, describe, expect, it } from '@jest/globals';
import { type AxiosRequestConfig } from 'axios';
import { type PostHogCaptureModuleOptions } from 'nestjs-posthog-capture';
import { type FakePostHog } from 'nestjs-posthog-capture/testing';
import { Books } from '../support/books.js';
import { startFlakyWire } from '../support/flaky-wire.js';
import { boot, closeAll, type Harness, KEY, onClose, startPostHog } from '../support/harness.js';
import { Seeded } from '../support/seeded.js';
import { selfSigned } from '../support/self-signed.js';
import { freePort } from '../support/serve.js';

afterEach(closeAll);

type Lookup = NonNullable<AxiosRequestConfig['lookup']>;
type Followed = Omit<Harness, 'posthog'> & { readonly books: Books };

async function follow(options: PostHogCaptureModuleOptions): Promise<Followed> {
  const books = new Books();
  const application = await boot({ coolDownMs: 20, shutdownTimeoutMs: 50, ...options, ...books.listeners });
  books.follow(application.capture);
  return { ...application, books };
}

/** Listens on loopback until the end of the test. Returns the port. */
async function listen(server: Server): Promise<number> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onClose(async () => {
    server.close();
    for (const socket of sockets) socket.destroy();
    await once(server, 'close');
  });
  return (server.address() as AddressInfo).port;
}

/** Forwards a connection to PostHog. */
function forward(socket: Socket, posthog: FakePostHog): void {
  const upstream = connect(posthog.port, '127.0.0.1');
  socket.on('error', () => upstream.destroy()).pipe(upstream);
  upstream.on('error', () => socket.destroy()).pipe(socket);
}

/** Expects that all events are kept and one log line has the reason. */
async function expectKept({ books, capture, lines }: Followed, error: RegExp, remedy = 'check POSTHOG_HOST') {
  for (let index = 0; index < 50; index += 1) books.captureOne(`person_${index % 7}`);
  expect(await capture.flush()).toMatchObject({
    delivered: 0,
    pending: 50,
    dropped: {},
    error: expect.stringMatching(error),
  });
  await capture.flush();
  expect(capture.stats()).toMatchObject({ pending: 50, dropped: 0 });
  expect(lines.filter((line) => error.test(line))).toHaveLength(1);
  expect(lines.join('\n')).toContain(remedy);
  expect(lines.join('\n')).not.toContain(KEY);
}

describe.each(['v0', 'v1'] as const)('%s', (captureMode) => {
  it('keeps all events while the port is closed, and sends them once it is open', async () => {
    const port = await freePort();
    const application = await follow({ captureMode, host: `http://127.0.0.1:${port}` });
    await expectKept(application, /^PostHog connection error: .*ECONNREFUSED/);
    const posthog = await startPostHog({ port });
    await posthog.waitForEvents(50);
    await application.books.drain();
    application.books.check(posthog);
    expect(posthog.duplicates).toEqual([]);
  });

  it('keeps all events while the host cannot be resolved, and sends them once it can', async () => {
    const posthog = await startPostHog();
    let found = false;
    const lookup: Lookup = (hostname, _options, answer) => {
      if (found) answer(null, '127.0.0.1', 4);
      else answer(Object.assign(new Error(`getaddrinfo ENOTFOUND ${hostname}`), { code: 'ENOTFOUND' }), '');
    };
    const host = `http://posthog.invalid:${posthog.port}`;
    const application = await follow({ captureMode, host, http: { lookup } });
    await expectKept(application, /^PostHog connection error: getaddrinfo ENOTFOUND posthog\.invalid/);
    found = true;
    await application.books.drain();
    application.books.check(posthog);
  });

  it('ends an attempt whose DNS lookup does not finish', async () => {
    const lookup: Lookup = () => undefined;
    const host = 'http://posthog.invalid';
    const application = await follow({ captureMode, host, http: { lookup }, requestTimeoutMs: 20, maxRetries: 1 });
    await expectKept(application, /^PostHog request timed out after 20 ms/);
  });

  it('keeps all events while connections end during the TLS handshake', async () => {
    const port = await listen(createServer((socket) => socket.once('data', () => socket.destroy())));
    const application = await follow({ captureMode, host: `https://127.0.0.1:${port}` });
    await expectKept(application, /^PostHog connection error: .*(ECONNRESET|disconnected|socket hang up)/);
  });

  it('keeps all events while the server does not support TLS', async () => {
    const posthog = await startPostHog();
    const application = await follow({ captureMode, host: `https://127.0.0.1:${posthog.port}` });
    await expectKept(application, /^PostHog connection error: .*(EPROTO|wrong version number|packet length)/);
    expect(posthog.requests).toEqual([]);
  });

  it('refuses an untrusted certificate, and sends the kept events once it is trusted', async () => {
    const posthog = await startPostHog();
    const identity = selfSigned();
    const port = await listen(createTlsServer(identity, (socket) => forward(socket, posthog)));
    const agent = new Agent({ keepAlive: true });
    onClose(() => {
      agent.destroy();
      return Promise.resolve();
    });
    const application = await follow({
      captureMode,
      host: `https://127.0.0.1:${port}`,
      http: { httpsAgent: agent },
    });
    await expectKept(application, /^PostHog connection error: .*DEPTH_ZERO_SELF_SIGNED_CERT/);
    expect(posthog.requests).toEqual([]);
    agent.options.ca = identity.cert;
    await application.books.drain();
    application.books.check(posthog);
  });

  it('delivers over connections that each end after their first response', async () => {
    const posthog = await startPostHog();
    const ending = createServer((socket) => {
      const upstream = connect(posthog.port, '127.0.0.1');
      upstream.on('error', () => socket.destroy()).on('data', (chunk) => socket.end(chunk));
      socket.on('error', () => upstream.destroy()).pipe(upstream);
    });
    const host = `http://127.0.0.1:${await listen(ending)}`;
    const { books, capture } = await follow({ captureMode, host, maxBatchEvents: 5, flushAt: 5 });
    for (let index = 0; index < 400; index += 1) books.captureOne(`person_${index % 50}`);
    await books.drain();
    books.check(posthog);
    expect(capture.stats()).toMatchObject({ delivered: 400, dropped: 0 });
  });

  it.each([301, 302, 303, 307, 308])('does not follow a redirect with status %i', async (status) => {
    const [posthog, elsewhere] = [await startPostHog(), await startPostHog()];
    posthog.failAlways({ status, headers: { location: `${elsewhere.url}/batch/` } });
    const application = await follow({ captureMode, host: posthog.url });
    await expectKept(application, new RegExp(`^PostHog API error: HTTP ${status}`));
    expect(elsewhere.requests).toEqual([]);
    posthog.failAlways(null);
    await application.books.drain();
    application.books.check(posthog);
    expect(posthog.duplicates).toEqual([]);
  });

  it('delivers if the body of a response takes longer than the request timeout', async () => {
    const posthog = await startPostHog();
    const { books, capture } = await follow({ captureMode, host: posthog.url, requestTimeoutMs: 3000 });
    posthog.fail({ slowBodyMs: 60_000 });
    for (let index = 0; index < 20; index += 1) books.captureOne(`person_${index}`);
    expect(await capture.flush()).toMatchObject({ delivered: 20, pending: 0 });
    // The status of v0 is enough; the results of v1 are missing.
    expect(posthog.requests).toHaveLength(captureMode === 'v0' ? 1 : 2);
    books.check(posthog);
  });

  it('uses the status of a refusal whose body never ends', async () => {
    const refusing = createServer((socket) => {
      const head = 'HTTP/1.1 503 Service Unavailable\r\nretry-after: 60\r\ncontent-length: 1000\r\n\r\nsorry';
      socket.once('data', () => socket.write(head));
    });
    const options = { requestTimeoutMs: 2000, coolDownMs: 60_000 };
    const application = await follow({ captureMode, host: `http://127.0.0.1:${await listen(refusing)}`, ...options });
    await expectKept(application, /^PostHog API error: HTTP 503/, 'nothing to do unless it lasts');
  });

  it('halves a batch that is refused for its size before the body was read', async () => {
    const posthog = await startPostHog();
    const gateway = createServer((socket) => {
      let forwarded: Socket | null = null;
      socket.on('error', () => forwarded?.destroy());
      socket.on('data', (chunk) => {
        const length = Number(/content-length: (\d+)/i.exec(chunk.toString('latin1'))?.[1] ?? 0);
        if (length > 1_200_000) {
          // Stops reading and waits until the client has received the response.
          socket.pause();
          socket.end('HTTP/1.1 413 Payload Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n');
          return;
        }
        forwarded ??= connect(posthog.port, '127.0.0.1')
          .on('error', () => socket.destroy())
          .on('data', (answer) => socket.write(answer));
        forwarded.write(chunk);
      });
    });
    const host = `http://127.0.0.1:${await listen(gateway)}`;
    const { books, capture } = await follow({ captureMode, host, compression: 'none' });
    for (let index = 0; index < 20; index += 1) {
      books.captureOne(`person_${index}`, { groups: { text: 'x'.repeat(200_000) } });
    }
    expect(await capture.flush()).toMatchObject({ delivered: 20, pending: 0, error: null });
    books.check(posthog);
    expect(posthog.duplicates).toEqual([]);
  });

  it.each([
    ['not HTTP', 'SSH-2.0-OpenSSH_9.6\r\n'],
    ['an endless header', `HTTP/1.1 200 OK\r\nx: ${'x'.repeat(100_000)}`],
    ['empty', ''],
  ])('keeps all events while the response is %s', async (_, answer) => {
    const host = `http://127.0.0.1:${await listen(createServer((socket) => socket.once('data', () => socket.end(answer))))}`;
    const application = await follow({ captureMode, host });
    application.books.captureOne('person');
    expect(await application.capture.flush()).toMatchObject({
      pending: 1,
      error: expect.stringMatching(/^PostHog connection error: /),
    });
  });

  it('delivers while every third request is interrupted', async () => {
    const posthog = await startPostHog();
    const random = new Seeded();
    const wire = await startFlakyWire({ targetPort: posthog.port, random, probability: 1 / 3, silence: false });
    onClose(() => wire.close());
    const host = `http://127.0.0.1:${wire.port}`;
    const { books } = await follow({ captureMode, host, maxBatchEvents: 10, flushAt: 10 });
    for (let index = 0; index < 1000; index += 1) books.captureOne(`person_${index % 50}`);
    await books.drain();
    expect(wire.broken).toBeGreaterThan(10);
    books.check(posthog);
  });
});
