import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { HttpService } from '@nestjs/axios';
import { describeProxy } from '../../lib/wire/axios-environment.js';
import { boot, closeAll, onClose } from '../support/harness.js';
import { freePort } from '../support/serve.js';

const environment = { ...process.env };
const OPTIONS = { maxRetries: 0, coolDownMs: 60_000, shutdownTimeoutMs: 0, requestTimeoutMs: 2000 };
const EVENT = { event: 'page_view', distinctId: 'user_123' };

beforeEach(() => {
  for (const name of Object.keys(process.env)) if (/proxy$/i.test(name)) Reflect.deleteProperty(process.env, name);
});
afterEach(async () => {
  process.env = { ...environment };
  await closeAll();
});

/** A proxy that refuses all credentials, and records them. */
async function refusingProxy(): Promise<{ address: string; credentials: string[] }> {
  const credentials: string[] = [];
  const note = (header = ''): number =>
    credentials.push(Buffer.from(header.replace('Basic ', ''), 'base64').toString());
  const proxy = createServer((request, response) => {
    note(request.headers['proxy-authorization']);
    response.writeHead(407).end();
  });
  proxy.on('connect', (request, socket) => {
    note(request.headers['proxy-authorization']);
    socket.end('HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n');
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  onClose(async () => {
    proxy.closeAllConnections();
    proxy.close();
    await once(proxy, 'close');
  });
  return { address: `127.0.0.1:${(proxy.address() as AddressInfo).port}`, credentials };
}

async function failure(host: string, options: object = {}) {
  const { capture, lines } = await boot({ host, ...OPTIONS, ...options });
  capture.capture(EVENT);
  const { error } = await capture.flush();
  const said = `${lines.join('\n')}\n${JSON.stringify(capture.stats().lastFailure)}`;
  expect(said).not.toMatch(/p@ss|p%40ss|secret_user/);
  return { error, said };
}

it.each(['http', 'https'])('407: the remedy names the proxy, whose password is decoded: %s', async (scheme) => {
  const { address, credentials } = await refusingProxy();
  const variable = `${scheme.toUpperCase()}_PROXY`;
  process.env[variable] = `http://secret_user:p%40ss@${address}`;
  const { error, said } = await failure(`${scheme}://posthog.example.com`);
  expect(error).toContain('407');
  expect(said).toContain(`check the credentials of the proxy ${address} (environment variable ${variable})`);
  expect(credentials).toEqual(['secret_user:p@ss']);
});

it('407: the remedy names the proxy of option http', async () => {
  const { address } = await refusingProxy();
  const [host = '', port] = address.split(':');
  const auth = { username: 'secret_user', password: 'p@ss' };
  const { said } = await failure('http://posthog.example.com', {
    http: { proxy: { host, port: Number(port), auth } },
  });
  expect(said).toContain(`check the credentials of the proxy ${address} (option http.proxy)`);
});

it('a proxy that cannot be reached is named', async () => {
  const port = await freePort();
  process.env.HTTP_PROXY = `http://secret_user:p%40ss@127.0.0.1:${port}`;
  const { error, said } = await failure('http://posthog.example.com');
  expect(error).toMatch(/ECONNREFUSED/);
  expect(said).toContain(`check POSTHOG_HOST and the proxy 127.0.0.1:${port} (environment variable HTTP_PROXY)`);
});

it('a proxy without a scheme is named, with the right value', async () => {
  const { address } = await refusingProxy();
  process.env.HTTPS_PROXY = `secret_user:p%40ss@${address}`;
  const { said } = await failure('https://posthog.example.com');
  expect(said).toContain(`(environment variable HTTPS_PROXY), which has no scheme`);
  expect(said).toContain(`HTTPS_PROXY=http://${address}`);
});

it('the proxy of an HttpService of the application is named', async () => {
  const port = await freePort();
  process.env.HTTP_PROXY = `http://127.0.0.1:${port}`;
  expect(new HttpService().axiosRef.defaults.proxy).toBeUndefined();
  expect(describeProxy('http://posthog.example.com', new HttpService().axiosRef.defaults)).toContain(
    `127.0.0.1:${port}`,
  );
});

it.each([
  [
    'https://posthog.example.com',
    { HTTPS_PROXY: 'http://proxy:1' },
    'the proxy proxy:1 (environment variable HTTPS_PROXY)',
  ],
  [
    'https://posthog.example.com',
    { ALL_PROXY: 'http://proxy:1' },
    'the proxy proxy:1 (environment variable ALL_PROXY)',
  ],
  ['https://posthog.example.com', { HTTP_PROXY: 'http://proxy:1' }, undefined],
  ['https://posthog.example.com', { HTTPS_PROXY: 'http://proxy:1', NO_PROXY: 'x,.example.com' }, undefined],
  ['https://posthog.example.com', { HTTPS_PROXY: 'http://proxy:1', no_proxy: '*' }, undefined],
  ['https://posthog.example.com', { HTTPS_PROXY: 'http://proxy:1', NO_PROXY: 'posthog.example.com:443' }, undefined],
  [
    'https://posthog.example.com',
    { HTTPS_PROXY: 'http://proxy:1', NO_PROXY: 'posthog.example.com:80' },
    'the proxy proxy:1 (environment variable HTTPS_PROXY)',
  ],
  [
    'https://posthog.example.com',
    { HTTPS_PROXY: 'http://p:s@' },
    'the proxy in the environment variable HTTPS_PROXY, which is not a URL',
  ],
] as const)('%s with %j: %s', (host, variables, expected) => {
  Object.assign(process.env, variables);
  expect(describeProxy(host)).toBe(expected);
});
