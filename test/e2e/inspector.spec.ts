import { get } from 'node:http';
import {
  type CanActivate,
  Controller,
  type ExecutionContext,
  Get,
  Injectable,
  Module,
  RequestMethod,
  SetMetadata,
  VersioningType,
} from '@nestjs/common';
import { APP_GUARD, Reflector } from '@nestjs/core';
import { DocumentBuilder, SwaggerModule } from '@nestjs/swagger';
import { IsString } from 'class-validator';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Event, Pii, PostHogCaptureModule, type Props } from 'nestjs-posthog-capture';
import {
  PostHogCaptureInspectorModule,
  type PostHogCaptureInspectorModuleOptions,
} from 'nestjs-posthog-capture/inspector';
import { closeAll, KEY } from '../support/harness.js';
import { openStream, snapshotOf } from '../support/live-stream.js';
import { ADAPTERS, type Served, serve, type ServeOptions } from '../support/serve.js';

const TOKEN = 'a-token-of-some-length';

@Event('invited', { description: 'A colleague was invited', owner: 'growth' })
class Invited {
  @IsString() @Pii() email!: string;
  @IsString() role!: string;
  constructor(properties: Props<Invited>) {
    Object.assign(this, properties);
  }
}

@Injectable()
class Doorman {
  readonly password = 'sesame';
}

@Module({ providers: [Doorman], exports: [Doorman] })
class DoormanModule {}

@Injectable()
class PasswordGuard implements CanActivate {
  constructor(private readonly doorman: Doorman) {}

  canActivate(context: ExecutionContext): boolean {
    const { headers } = context.switchToHttp().getRequest<{ headers: Record<string, string | undefined> }>();
    return headers['x-password'] === this.doorman.password;
  }
}

const Public = (): ClassDecorator => SetMetadata('isPublic', true);

@Injectable()
class EverywhereGuard implements CanActivate {
  constructor(private readonly reflector: Reflector) {}

  canActivate(context: ExecutionContext): boolean {
    return this.reflector.get<boolean | undefined>('isPublic', context.getClass()) === true;
  }
}

@Controller()
class ShopController {
  @Get('shop')
  shop(): string {
    return 'open';
  }
}

/** Sends a GET request with headers that fetch does not allow, and returns the status. */
function statusOf(url: string, headers: Record<string, string> = {}): Promise<number> {
  return new Promise((resolve, reject) => {
    get(url, { headers, agent: false }, (response) => {
      response.destroy();
      resolve(response.statusCode ?? 0);
    }).on('error', reject);
  });
}

describe.each(ADAPTERS)('the inspector on %s', (adapter) => {
  let environment: string | undefined;
  beforeEach(() => {
    environment = process.env.NODE_ENV;
  });
  afterEach(async () => {
    process.env.NODE_ENV = environment;
    await closeAll();
  });

  const inspected = (
    options?: PostHogCaptureInspectorModuleOptions,
    more: Partial<ServeOptions> = {},
  ): Promise<Served> =>
    serve({
      adapter,
      ...more,
      controllers: [ShopController, ...(more.controllers ?? [])],
      imports: [PostHogCaptureInspectorModule.forRoot(options), ...(more.imports ?? [])],
    });

  it('serves one page that loads nothing else, with strict headers', async () => {
    const { url } = await inspected();
    const answer = await fetch(`${url}/_posthog`);
    const html = await answer.text();
    expect(answer.status).toBe(200);
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'content-type': 'text/html; charset=utf-8',
      'cache-control': 'no-store, no-transform',
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'same-origin',
    });
    const policy = answer.headers.get('content-security-policy') ?? '';
    expect(policy).toMatch(
      /^default-src 'none'; script-src 'sha256-[^']+'; style-src 'sha256-[^']+'; connect-src 'self'/,
    );
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).not.toContain('unsafe');
    expect(html.match(/<script/g)).toHaveLength(1);
    expect(html).not.toMatch(/(src|href)="(https?:)?\/\//);
    expect(html).not.toContain(KEY);
  });

  it('follows an event from capture to delivery', async () => {
    const { url, capture } = await inspected({ mask: ['email'] });
    const stream = await openStream(`${url}/_posthog/stream`);
    await stream.until(({ kind }) => kind === 'snapshot');
    const id = capture.capture({
      event: 'paid',
      distinctId: 'ann',
      properties: { email: 'ann@example.com', total: 5 },
    });
    const { data } = await stream.until((message) => message.data.added?.some((event) => event.id === id) === true);
    expect(data.added?.[0]).toMatchObject({ name: 'paid', who: 'ann' });
    const isDelivered = (event: { id: string; fate: string }): boolean => event.id === id && event.fate === 'delivered';
    await stream.until((message) => [...(message.data.added ?? []), ...(message.data.moved ?? [])].some(isDelivered));
    await stream.until((message) => message.data.state?.text === 'PostHog responds; nothing waiting');
    const detail = (await (await fetch(`${url}/_posthog/event?id=${id ?? ''}`)).json()) as { text: string };
    expect(JSON.parse(detail.text)).toMatchObject({ event: 'paid', properties: { email: '•••', total: 5 } });
    expect(JSON.stringify(stream.messages)).not.toContain('ann@example.com');
    expect(JSON.stringify(stream.messages)).not.toContain(KEY);
  });

  it('never shows the properties that a definition marks as identifying a person', async () => {
    const { url, capture } = await inspected();
    const stream = await openStream(`${url}/_posthog/stream`);
    await stream.until(({ kind }) => kind === 'snapshot');
    const properties = { email: 'ann@example.com', role: 'admin' };
    const ids = [capture.capture(new Invited(properties), {}), capture.capture({ event: 'invited', properties })];
    for (const id of ids) {
      await stream.until((message) => message.data.added?.some((added) => added.id === id) === true);
      const detail = (await (await fetch(`${url}/_posthog/event?id=${id ?? ''}`)).json()) as { text: string };
      expect(JSON.parse(detail.text)).toMatchObject({ properties: { email: '•••', role: 'admin' } });
    }
    expect(JSON.stringify(stream.messages)).not.toContain('ann@example.com');
  });

  it('serves the definitions of events, the paths that break them, and counts by event', async () => {
    const { url, capture } = await inspected(undefined, { posthog: { events: { invalid: 'warn' } } });
    const stream = await openStream(`${url}/_posthog/stream`);
    const { data } = await stream.until(({ kind }) => kind === 'snapshot');
    expect(data).toMatchObject({ state: { definitions: 0 }, usage: [] });
    const id = capture.capture(new Invited({ email: 'ann@example.com', role: 5 as unknown as string }), {});
    const added = await stream.until((message) => message.data.added?.some((event) => event.id === id) === true);
    const problems = ['its properties break its definition: role'];
    expect(added.data.added?.[0]).toMatchObject({ name: 'invited', problems, broken: ['role'] });
    await stream.until((message) => message.data.state?.definitions === 1);
    const { definitions } = (await (await fetch(`${url}/_posthog/definitions`)).json()) as { definitions: unknown[] };
    expect(definitions).toMatchObject([
      { name: 'invited', description: 'A colleague was invited', owner: 'growth', isListed: false, deprecated: null },
    ]);
    const personal = { name: 'email', isPersonal: true };
    expect(definitions[0]).toMatchObject({ properties: expect.arrayContaining([expect.objectContaining(personal)]) });
    const { data: counted } = await stream.until((message) => (message.data.usage ?? []).length > 0);
    expect(counted.usage).toMatchObject([{ name: 'invited', captured: 1, dropped: 0, drops: {}, personlessShare: 1 }]);
    expect(JSON.stringify(stream.messages)).not.toContain('ann@example.com');
  });

  it('shows how many of the waiting events are of AI', async () => {
    const { url, capture } = await inspected(undefined, { posthog: { flushIntervalMs: 60_000, flushAt: 500 } });
    capture.capture({ event: 'paid', distinctId: 'ann' });
    capture.captureAi({ event: '$ai_span', distinctId: 'ann' });
    const { state } = await snapshotOf(`${url}/_posthog/stream`);
    expect(state.text).toBe('No request sent yet; 2 events waiting (1 of AI)');
  });

  it('shows failures of PostHog, waiting events and drop reasons', async () => {
    const { url, capture, posthog } = await inspected(undefined, { posthog: { maxRetries: 0, coolDownMs: 60_000 } });
    posthog.failAlways({ status: 503 });
    const stream = await openStream(`${url}/_posthog/stream`);
    await stream.until(({ kind }) => kind === 'snapshot');
    const id = capture.capture({ event: 'paid', distinctId: 'ann' });
    capture.capture({ event: '', distinctId: 'ann' });
    const { data } = await stream.until(({ data: { state } }) => state?.tone === 'bad');
    expect(data.state?.text).toBe(
      'PostHog responds with HTTP 503: cooling down, next attempt in {next}; 1 event waiting',
    );
    expect(Number(data.state?.nextAt) - Date.now()).toBeGreaterThan(30_000);
    const { events, names, state } = await snapshotOf(`${url}/_posthog/stream`);
    expect(state.text).toBe(data.state?.text);
    expect(events.find((event) => event.id === id)).toMatchObject({ fate: 'retrying', attempts: 1 });
    expect(events.find((event) => event.id === id)?.note).toContain('HTTP 503');
    expect(events.find((event) => event.id !== id)).toMatchObject({ fate: 'dropped', text: '' });
    expect(events.find((event) => event.id !== id)?.note).toMatch(/^invalid: /);
    expect(names.find(({ name }) => name === 'paid')?.counts).toEqual({ captured: 1, pending: 1 });
    posthog.failAlways(null);
    await capture.flush();
    await stream.until(({ data: { state } }) => state?.text === 'PostHog responds; nothing waiting');
  });

  it('ignores requests that the caller of captureNow aborted', async () => {
    const { url, capture, posthog } = await inspected();
    const stream = await openStream(`${url}/_posthog/stream`);
    await stream.until(({ kind }) => kind === 'snapshot');
    const abandoned = async (): Promise<void> => {
      const { length } = posthog.requests;
      const caller = new AbortController();
      posthog.fail({ hang: true });
      const call = capture.captureNow({ event: 'paid', distinctId: 'ann' }, { signal: caller.signal });
      await posthog.waitForRequests(length + 1);
      caller.abort();
      await call;
    };
    await abandoned();
    const message = await stream.until(({ data: { state } }) => state?.text.startsWith('PostHog has not') === true);
    expect(message.data.state).toMatchObject({ tone: 'idle', text: 'PostHog has not responded yet; nothing waiting' });
    await capture.captureNow({ event: 'paid', distinctId: 'ann' });
    await abandoned();
    await stream.until(({ data: { state } }) => state?.text === 'PostHog responds; nothing waiting');
    expect(stream.messages.filter(({ data: { state } }) => state?.tone === 'warn')).toEqual([]);
  });

  it('shows a cool-down that began before the page was opened', async () => {
    const { url, capture, posthog } = await inspected(undefined, { posthog: { maxRetries: 0, coolDownMs: 60_000 } });
    posthog.failAlways({ status: 401 });
    capture.capture({ event: 'paid', distinctId: 'ann' });
    await capture.flush();
    const { state, events } = await snapshotOf(`${url}/_posthog/stream`);
    expect(state).toMatchObject({
      tone: 'bad',
      text: 'PostHog API error: HTTP 401: cooling down, next attempt in {next}; 1 event waiting',
      remedy: expect.stringContaining('POSTHOG_API_KEY'),
    });
    expect(events).toEqual([]);
  });

  it('ends its streams when the application closes', async () => {
    const { url, app } = await inspected();
    const streams = [await openStream(`${url}/_posthog/stream`), await openStream(`${url}/_posthog/stream`)];
    for (const stream of streams) await stream.until(({ kind }) => kind === 'snapshot');
    await app.close();
    for (const stream of streams) await stream.ended;
  });

  it('accepts only GET and appears neither in request tracking nor in Swagger', async () => {
    const { url, app, events } = await inspected(undefined, { posthog: { requests: true } });
    await fetch(`${url}/_posthog`);
    await snapshotOf(`${url}/_posthog/stream`);
    expect(await statusOf(`${url}/_posthog`, { host: 'attacker.example' })).toBe(403);
    await fetch(`${url}/shop`);
    expect((await events('http_request')).map(({ properties }) => properties.$request_route)).toEqual(['/shop']);
    expect(Object.keys(SwaggerModule.createDocument(app, new DocumentBuilder().build()).paths)).toEqual(['/shop']);
    expect((await fetch(`${url}/_posthog`, { method: 'POST' })).status).toBe(404);
    expect((await fetch(`${url}/_posthog/stream`, { method: 'HEAD' })).status).toBeGreaterThanOrEqual(400);
  });

  it('is available on localhost only, and not through proxies or for other sites', async () => {
    const { url } = await inspected();
    const { port } = new URL(url);
    for (const path of ['', '/stream', '/event?id=x', '/definitions']) {
      const address = `${url}/_posthog${path}`;
      expect(await statusOf(address, { host: `localhost:${port}` })).toBe(path.startsWith('/event') ? 404 : 200);
      expect(await statusOf(address, { host: `attacker.example:${port}` })).toBe(403);
      expect(await statusOf(address, { 'x-forwarded-for': '10.0.0.1' })).toBe(403);
      expect(await statusOf(address, { origin: 'https://attacker.example' })).toBe(403);
      expect(await statusOf(address, { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' })).toBe(403);
      const opened = { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' };
      expect(await statusOf(address, { ...opened, 'sec-fetch-dest': 'iframe' })).toBe(403);
      expect(await statusOf(address, { ...opened, 'sec-fetch-dest': 'document' })).toBe(path === '' ? 200 : 403);
    }
  });

  it('accepts the token in the query, then as a cookie, or as a bearer token', async () => {
    const { url } = await inspected({ token: TOKEN });
    const page = `${url}/_posthog`;
    expect(await statusOf(page)).toBe(401);
    expect(await statusOf(`${page}/stream`)).toBe(401);
    expect(await statusOf(`${page}/event?id=x`)).toBe(401);
    expect(await statusOf(`${page}/definitions`)).toBe(401);
    expect(await statusOf(`${page}?token=wrong`)).toBe(401);
    expect(await statusOf(page, { authorization: `Bearer ${TOKEN}` })).toBe(200);
    const cookie = (await fetch(`${page}?token=${TOKEN}`)).headers.get('set-cookie') ?? '';
    expect(cookie).toMatch(/; Path=\/_posthog; HttpOnly; SameSite=Strict$/);
    const [value = ''] = cookie.split(';');
    const stream = await openStream(`${page}/stream`, { cookie: value });
    await stream.until(({ kind }) => kind === 'snapshot');
    // With a token, other host names are allowed.
    expect(await statusOf(page, { cookie: value, host: 'shop.example' })).toBe(200);
  });

  it('runs a guard class with injected providers', async () => {
    const { url } = await inspected({ guard: PasswordGuard, imports: [DoormanModule] });
    for (const path of ['/_posthog', '/_posthog/stream', '/_posthog/event?id=x', '/_posthog/definitions'])
      expect(await statusOf(url + path)).toBe(403);
    expect(await statusOf(`${url}/_posthog`, { 'x-password': 'sesame' })).toBe(200);
    const stream = await openStream(`${url}/_posthog/stream`, { 'x-password': 'sesame' });
    await stream.until(({ kind }) => kind === 'snapshot');
  });

  it('runs a guard object', async () => {
    const guard: CanActivate = { canActivate: () => false };
    const { url } = await inspected({ guard });
    expect(await statusOf(`${url}/_posthog`)).toBe(403);
  });

  it('is subject to application-wide guards unless a decorator exempts it', async () => {
    const everywhere = { providers: [{ provide: APP_GUARD, useClass: EverywhereGuard }] };
    const closed = await inspected(undefined, everywhere);
    expect(await statusOf(`${closed.url}/_posthog`)).toBe(403);
    const open = await inspected({ decorators: [Public()] }, everywhere);
    expect(await statusOf(`${open.url}/_posthog`)).toBe(200);
  });

  it('is off in production unless it has a token', async () => {
    process.env.NODE_ENV = 'production';
    const off = await inspected();
    const missing = (await (await fetch(`${off.url}/_posthogg`)).json()) as Record<string, unknown>;
    const hidden = (await (await fetch(`${off.url}/_posthog`)).json()) as Record<string, unknown>;
    expect(hidden).toEqual({ ...missing, message: 'Cannot GET /_posthog' });
    expect(await statusOf(`${off.url}/_posthog/stream`)).toBe(404);
    const on = await inspected({ token: TOKEN });
    expect(await statusOf(`${on.url}/_posthog`)).toBe(401);
    expect(await statusOf(`${on.url}/_posthog?token=${TOKEN}`)).toBe(200);
  });

  it('is off with enabled: false', async () => {
    const { url } = await inspected({ enabled: false, token: TOKEN });
    expect(await statusOf(`${url}/_posthog?token=${TOKEN}`)).toBe(404);
  });

  it('takes options from a factory, and ignores API versioning but not the global prefix', async () => {
    const { url } = await serve({
      adapter,
      imports: [
        PostHogCaptureInspectorModule.forRootAsync({
          path: 'internal/events',
          imports: [DoormanModule],
          inject: [Doorman],
          useFactory: ({ password }: Doorman) => ({ token: password.repeat(3) }),
        }),
      ],
      prepare: (app) =>
        app
          .setGlobalPrefix('api', { exclude: [{ path: 'health', method: RequestMethod.GET }] })
          .enableVersioning({ type: VersioningType.URI, defaultVersion: '1' }),
    });
    expect(await statusOf(`${url}/api/internal/events`)).toBe(401);
    const answer = await fetch(`${url}/api/internal/events?token=sesamesesamesesame`);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('set-cookie')).toContain('Path=/api/internal/events;');
  });

  it('shows a named instance', async () => {
    const { url, app, posthog } = await inspected(
      { path: '/billing', name: 'billing' },
      {
        imports: [
          PostHogCaptureModule.forRoot({ name: 'billing', apiKey: KEY, host: 'http://127.0.0.1:9', enabled: false }),
        ],
      },
    );
    const { layout } = await snapshotOf(`${url}/billing/stream`);
    expect(layout.title).toBe('Events to PostHog: billing');
    expect([app.getHttpAdapter().getType(), posthog.events.length]).toEqual([adapter, 0]);
  });
});

describe('the boot fails for', () => {
  afterEach(closeAll);

  it.each<[string, PostHogCaptureInspectorModuleOptions, RegExp]>([
    [
      'allowRemote without a token or a guard',
      { allowRemote: true },
      /inspector: allowRemote: requires a token or a guard/,
    ],
    ['a short token', { token: 'secret' }, /inspector: token: expected at least 16 characters$/m],
    ['an empty token', { token: '' }, /inspector: token: expected at least 16 characters$/m],
    ['an infinite maxEvents', { maxEvents: Infinity }, /inspector: maxEvents: expected a whole number from 1 to 5000/],
    [
      'a string instead of a boolean',
      { enabled: 'false', allowRemote: 'false', token: TOKEN } as never,
      /inspector: enabled: expected true or false[^]*inspector: allowRemote: expected true or false/,
    ],
    [
      'an option that does not exist',
      { masks: ['email'] } as never,
      /inspector: masks: there is no such option; did you mean mask\?/,
    ],
    ['a mask that is not an array', { mask: 'email' as never }, /inspector: mask: expected an array/],
  ])('%s', async (_, options, message) => {
    await expect(serve({ imports: [PostHogCaptureInspectorModule.forRoot(options)] })).rejects.toThrow(message);
  });
});
