import http from 'node:http';
import { Controller, Get, type INestApplication, Module, Param, Post, Req } from '@nestjs/common';
import { type NestExpressApplication } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { CaptureService, PostHogCaptureModule } from 'nestjs-posthog-capture';
import { closeAll, KEY, onClose, startPostHog } from '../../support/harness.js';
import { ADAPTERS, serve, type ServeOptions } from '../../support/serve.js';

/** Called by the handler that never responds. */
let onHang = (): void => undefined;

@Controller()
class PagesController {
  constructor(private readonly capture: CaptureService) {}

  @Get('reset/:token')
  reset(@Param('token') token: string) {
    return token.length;
  }

  @Post('login')
  login(@Req() request: { body: { user: string } }) {
    this.capture.context.set({ distinctId: request.body.user });
    this.capture.capture({ event: 'logged_in' });
    return {};
  }

  @Get('health')
  health() {
    return 'ok';
  }

  @Get('fail')
  fail() {
    throw new Error('bug');
  }

  @Get('hang')
  hang() {
    onHang();
    return new Promise(() => undefined);
  }
}

afterEach(closeAll);

describe.each(ADAPTERS)('requests on %s', (adapter) => {
  const start = (posthog: ServeOptions['posthog'] = {}, more: Partial<ServeOptions> = {}) =>
    serve({ adapter, controllers: [PagesController], posthog: { requests: true, ...posthog }, ...more });
  const read = async (url: string, init?: RequestInit) => (await fetch(url, init)).text();

  it.each([
    ['GET', '/reset/secret-token?next=/', 200, 'success', '/reset/:token'],
    ['GET', '/nowhere/secret-token', 404, 'error', undefined],
    ['GET', '/fail', 500, 'error', '/fail'],
    ['HEAD', '/health', 200, 'success', '/health'],
  ])('captures %s %s as one event', async (method, path, status, outcome, route) => {
    const { url, events } = await start();
    await read(url + path, { method });
    const captured = await events();
    expect(captured.map(({ event }) => event)).toEqual(['http_request']);
    const { properties } = captured[0]!;
    expect(properties).toMatchObject({
      $request_method: method,
      $response_status_code: status,
      $outcome: outcome,
      $transport: 'http',
      $process_person_profile: false,
    });
    expect(properties.$duration_ms).toBeGreaterThanOrEqual(0);
    expect(properties.$request_route).toBe(route);
    expect(JSON.stringify(captured)).not.toContain('secret-token');
  });

  it('captures a body that cannot be parsed', async () => {
    const { url, events } = await start();
    await read(`${url}/login`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"user' });
    const captured = await events();
    expect(captured).toHaveLength(1);
    expect(captured[0]!.properties).toMatchObject({ $response_status_code: 400, $outcome: 'error' });
  });

  it('captures a request whose client disconnects', async () => {
    const { url, posthog, events } = await start();
    const isCalled = new Promise<void>((resolve) => (onHang = resolve));
    const request = http.get(`${url}/hang`).on('error', () => undefined);
    await isCalled;
    request.destroy();
    await posthog.waitForEvents(1);
    const [event] = await events();
    expect(event!.properties.$outcome).toBe('aborted');
    expect(event!.properties.$response_status_code).toBeUndefined();
  });

  it('has the current user, and what a handler added to the context', async () => {
    const { url, events } = await start();
    const headers = { 'content-type': 'application/json', 'x-posthog-session-id': 's-1' };
    await read(`${url}/login`, { method: 'POST', headers, body: '{"user":"ann"}' });
    const captured = await events();
    expect(captured.map(({ event, distinct_id }) => [event, distinct_id])).toEqual([
      ['logged_in', 'ann'],
      ['http_request', 'ann'],
    ]);
    for (const { properties } of captured) expect(properties.$session_id).toBe('s-1');
  });

  it('ignores requests by path, prefix, template and expression', async () => {
    const ignore = ['/health', '/internal/*', '/reset/:token', /\.png$/g];
    const { url, events } = await start({ requests: { event: 'request', ignore } });
    for (const path of ['/health?deep=1', '/internal/a/b', '/reset/abc', '/a.png', '/b.png']) await read(url + path);
    await read(`${url}/healthy`);
    const captured = await events();
    expect(captured.map(({ event, properties }) => [event, properties.$response_status_code])).toEqual([
      ['request', 404],
    ]);
  });

  it('samples by person', async () => {
    const { url, events } = await start({ requests: { sampleRate: 0.5 } });
    const persons = Array.from({ length: 40 }, (_, n) => `person-${n}`);
    for (let round = 0; round < 2; round += 1) {
      await Promise.all(persons.map((id) => read(`${url}/health`, { headers: { 'x-posthog-distinct-id': id } })));
    }
    const captured = await events();
    const counts = persons.map((id) => captured.filter(({ distinct_id }) => distinct_id === id).length);
    expect(new Set(counts)).toEqual(new Set([0, 2]));
  });

  it('works without contexts', async () => {
    const { url, events } = await start({ context: false });
    await read(`${url}/health`, { headers: { 'x-posthog-distinct-id': 'ann' } });
    expect((await events()).map(({ distinct_id }) => distinct_id)).toEqual(['ann']);
  });

  it('captures nothing while disabled', async () => {
    const { url, events, capture } = await start();
    capture.disable();
    await read(`${url}/health`);
    expect(await events()).toEqual([]);
    expect(capture.stats().captured).toBe(0);
  });

  it('works in an application created by a testing module', async () => {
    const posthog = await startPostHog();
    const options = { apiKey: KEY, host: posthog.url, requests: true };
    const module = await Test.createTestingModule({
      imports: [PostHogCaptureModule.forRoot(options)],
      controllers: [PagesController],
    }).compile();
    const app: INestApplication =
      adapter === 'express'
        ? module.createNestApplication({ logger: false })
        : module.createNestApplication(new FastifyAdapter(), { logger: false });
    onClose(() => app.close());
    await app.listen(0, '127.0.0.1');
    const url = await app.getUrl();
    const headers = { 'content-type': 'application/json' };
    await read(`${url}/login`, { method: 'POST', headers, body: '{"user":"ann"}' });
    await read(`${url}/nowhere`);
    await app.get(CaptureService).flush();
    expect(
      posthog.events.map(({ event, distinct_id, properties }) => [
        event,
        properties.$response_status_code,
        distinct_id,
      ]),
    ).toEqual([
      ['logged_in', undefined, 'ann'],
      ['http_request', 201, 'ann'],
      ['http_request', 404, expect.any(String)],
    ]);
  });
});

describe('Express', () => {
  it('can still be configured in main.ts, and its middleware has the context', async () => {
    const seen: unknown[] = [];
    const { url, capture, events } = await serve({
      controllers: [PagesController],
      posthog: { requestProperties: ['url', 'ip'] },
      prepare: (app) => {
        (app as NestExpressApplication).set('trust proxy', true);
        (app as NestExpressApplication).set('query parser', (text: string) => ({ text }));
        app.use((request: { query: unknown }, _response: unknown, next: () => void) => {
          seen.push(request.query);
          app.get(CaptureService).capture({ event: 'in_middleware' });
          next();
        });
      },
    });
    await fetch(`${url}/reset/abc?x=1`, {
      headers: { 'x-forwarded-for': '203.0.113.9', 'x-posthog-distinct-id': 'ann', 'user-agent': 'tester' },
    });
    expect(seen).toEqual([{ text: 'x=1' }]);
    expect(capture.stats().captured).toBe(1);
    const [event] = await events();
    expect(event).toMatchObject({
      distinct_id: 'ann',
      properties: {
        $ip: '203.0.113.9',
        $request_method: 'GET',
        $request_path: '/reset/abc',
        $current_url: `${url}/reset/abc`,
        $user_agent: 'tester',
      },
    });
  });
});

@Module({})
class NothingModule {}

it('needs no hooks in an application context without an adapter', async () => {
  const module = await Test.createTestingModule({
    imports: [NothingModule, PostHogCaptureModule.forRoot({ apiKey: KEY, requests: true })],
  }).compile();
  await module.init();
  expect(module.get(CaptureService).context.get()).toEqual({});
  await module.close();
});
