import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo } from 'node:net';
import { HttpModule, HttpService } from '@nestjs/axios';
import { Test } from '@nestjs/testing';
import axios from 'axios';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { PostHogCaptureModule, type PostHogCaptureModuleOptions } from 'nestjs-posthog-capture';
import { privateClient } from '../../lib/wire/private-client.js';
import { KEY } from '../support/secrets.js';

const PROXY_VARIABLE = /proxy$/i;
const VERSION = axios.VERSION;
const HTTPS = 'https://posthog.example.com';
const PROXY = { host: '127.0.0.1', port: 3128 };
const environment = { ...process.env };

beforeEach(() => {
  for (const name of Object.keys(process.env)) if (PROXY_VARIABLE.test(name)) Reflect.deleteProperty(process.env, name);
});
afterEach(() => {
  Object.assign(axios, { VERSION });
  process.env = { ...environment };
});

async function boot(options: PostHogCaptureModuleOptions, proxyDefault?: false): Promise<string> {
  const http = HttpModule.register(proxyDefault === undefined ? {} : { proxy: proxyDefault });
  const imports = [{ ...http, global: true }, PostHogCaptureModule.forRoot({ apiKey: KEY, host: HTTPS, ...options })];
  try {
    const module = await Test.createTestingModule({ imports }).compile();
    const app = await module.createNestApplication().init();
    await app.close();
    return 'booted';
  } catch (error) {
    return error instanceof Error ? `${error.name}: ${error.message}` : '';
  }
}

const REFUSED =
  /^PostHogConfigurationError: [^]*http: axios 1\.16\.0 sends https requests through a proxy [^]*unencrypted[^]*npm install axios@\^1\.16\.1/;

describe('axios 1.16.0 and an https host', () => {
  beforeEach(() => void Object.assign(axios, { VERSION: '1.16.0' }));

  it.each(['HTTPS_PROXY', 'https_proxy', 'ALL_PROXY', 'npm_config_proxy', 'npm_config_https_proxy'])(
    'stop the boot with a proxy from %s',
    async (name) => {
      process.env[name] = 'http://127.0.0.1:3128';
      const message = await boot({});
      expect(message).toMatch(REFUSED);
      expect(message).toContain(name);
    },
  );

  it('stop the boot with a proxy from option http', async () => {
    const message = await boot({ http: { proxy: PROXY } });
    expect(message).toMatch(REFUSED);
    expect(message).toContain('http.proxy');
  });

  it("stop the boot with an application's HttpService, which takes the proxy of the environment", async () => {
    process.env.HTTPS_PROXY = 'http://127.0.0.1:3128';
    expect(await boot({ http: HttpService })).toMatch(REFUSED);
    expect(await boot({ http: HttpService }, false)).toBe('booted');
  });

  it('boot without a proxy', async () => {
    process.env.HTTP_PROXY = 'http://127.0.0.1:3128';
    process.env.NO_PROXY = 'localhost';
    expect(await boot({})).toBe('booted');
    process.env.HTTPS_PROXY = 'http://127.0.0.1:3128';
    expect(await boot({ http: { proxy: false } })).toBe('booted');
  });

  it('boot with an http host, which is never encrypted', async () => {
    process.env.HTTPS_PROXY = 'http://127.0.0.1:3128';
    expect(await boot({ host: 'http://127.0.0.1:9', http: { proxy: PROXY } })).toBe('booted');
  });
});

it.each(['1.16.1', '1.17.0', '2.0.0'])('axios %s boots with a proxy', async (version) => {
  Object.assign(axios, { VERSION: version });
  process.env.HTTPS_PROXY = 'http://127.0.0.1:3128';
  expect(await boot({})).toBe('booted');
});

it('the installed axios opens a tunnel through the proxy', async () => {
  const seen: string[] = [];
  const proxy = createServer((request, response) => {
    seen.push(request.method ?? '');
    response.end();
  });
  proxy.on('connect', (request, socket) => {
    seen.push(`CONNECT ${request.url ?? ''}`);
    socket.end('HTTP/1.1 502 Bad Gateway\r\n\r\n');
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  process.env.HTTPS_PROXY = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
  const client = privateClient(undefined, HTTPS);
  const post = { url: `${HTTPS}/batch/`, headers: {}, body: Buffer.from('secret') };
  await client.post(post, AbortSignal.timeout(5000)).catch(() => undefined);
  client.releaseConnections();
  proxy.close();
  expect(seen).toEqual(['CONNECT posthog.example.com:443']);
});
