import { readFileSync } from 'node:fs';
import {
  Controller,
  Get,
  Injectable,
  type MiddlewareConsumer,
  Module,
  type NestModule,
  type Provider,
  RequestMethod,
  type Type,
  Version,
  VersioningType,
} from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { CaptureService, PostHogCaptureModule, TrackEvent } from 'nestjs-posthog-capture';
import { closeAll, KEY, onClose, startPostHog } from '../../support/harness.js';
import { ADAPTERS, serve, type ServeOptions } from '../../support/serve.js';

afterEach(closeAll);

const core = JSON.parse(readFileSync('node_modules/@nestjs/core/package.json', 'utf8')) as { version: string };
// Nest 11 changed the syntax of wildcards.
const [ANY_PATH, REST] = core.version.startsWith('10.') ? ['*', ':rest'] : ['*path', '*rest'];

@Injectable()
class CapturingMiddleware {
  constructor(private readonly capture: CaptureService) {}
  use(_request: unknown, _response: unknown, next: () => void): void {
    this.capture.capture({ event: 'in_middleware', distinctId: 'user_1' });
    next();
  }
}

@Controller()
class Orders {
  constructor(private readonly capture: CaptureService) {}

  @Get('orders/:id')
  @TrackEvent('tracked')
  read(): string {
    this.capture.capture({ event: 'in_handler', distinctId: 'user_1' });
    return 'order';
  }

  @Get('versioned')
  @Version('1')
  versioned(): string {
    return 'one';
  }
}

type Routes = Parameters<ReturnType<MiddlewareConsumer['apply']>['forRoutes']>;

function withMiddleware(...routes: Routes): { imports: Type[] } {
  @Module({ controllers: [Orders], providers: [CapturingMiddleware as Provider] })
  class OrdersModule implements NestModule {
    configure(consumer: MiddlewareConsumer): void {
      consumer.apply(CapturingMiddleware).forRoutes(...routes);
    }
  }
  return { imports: [OrdersModule] };
}

describe.each(ADAPTERS)('$request_route on %s', (adapter) => {
  const routesOf = async (
    path: string,
    options: Partial<ServeOptions>,
    init?: RequestInit,
  ): Promise<Record<string, unknown>> => {
    const { url, events } = await serve({ adapter, posthog: { requests: true }, ...options });
    await (await fetch(url + path, init)).text();
    const captured = await events();
    return Object.fromEntries(
      captured.map(({ event, properties }) => [event, properties.$request_route ?? 'absent'] as const),
    );
  };
  const prefixed: Partial<ServeOptions> = { prepare: (app) => void app.setGlobalPrefix('api') };

  it.each<[string, string, Routes, Partial<ServeOptions>, object]>([
    ['a 404 below a global prefix', '/api/nowhere', [ANY_PATH], prefixed, { in_middleware: 'absent' }],
    ['a 404 outside of it', '/nowhere', [ANY_PATH], prefixed, {}],
    [
      'a 404 in the path of a middleware',
      '/other/a',
      [{ path: `other/${REST}`, method: RequestMethod.GET }],
      {},
      { in_middleware: 'absent' },
    ],
    [
      'a 404 in the exact path of a middleware',
      '/other',
      [{ path: 'other', method: RequestMethod.GET }],
      {},
      { in_middleware: 'absent' },
    ],
  ])('is absent: %s', async (_, path, routes, options, more) => {
    expect(await routesOf(path, { ...withMiddleware(...routes), ...options })).toEqual({
      http_request: 'absent',
      ...more,
    });
  });

  it.each<[string, string, Routes, Partial<ServeOptions>]>([
    ['with a global prefix', '/api', [ANY_PATH], prefixed],
    ['of the controller', '', [Orders], {}],
    ['with a method', '', [{ path: `orders/${REST}`, method: RequestMethod.GET }], {}],
  ])('is that of the handler after a middleware %s', async (_, prefix, routes, options) => {
    const expected = `${prefix}/orders/:id`;
    const routesByEvent = await routesOf(`${prefix}/orders/7`, { ...withMiddleware(...routes), ...options });
    expect(routesByEvent).toEqual({
      http_request: expected,
      in_handler: expected,
      tracked: expected,
      in_middleware: adapter === 'fastify' ? expected : 'absent',
    });
  });

  it('is absent for a CORS preflight', async () => {
    const preflight = { origin: 'http://shop.example', 'access-control-request-method': 'GET' };
    const cors: Partial<ServeOptions> = {
      controllers: [Orders],
      prepare: (app) => {
        app.enableCors();
      },
    };
    expect(await routesOf('/orders/7', cors, { method: 'OPTIONS', headers: preflight })).toEqual({
      http_request: 'absent',
    });
  });

  it('is absent if no version of the route matches', async () => {
    const versioned: Partial<ServeOptions> = {
      controllers: [Orders],
      prepare: (app) => void app.enableVersioning({ type: VersioningType.HEADER, header: 'x-version' }),
    };
    const ask = (version: string) => routesOf('/versioned', versioned, { headers: { 'x-version': version } });
    expect(await ask('1')).toEqual({ http_request: '/versioned' });
    expect(await ask('2')).toEqual({ http_request: 'absent' });
  });

  it("is that of the framework's own route", async () => {
    const own: Partial<ServeOptions> = {
      prepare: (app) =>
        void app
          .getHttpAdapter()
          .get('/own/:id', (_request: unknown, response: { send(text: string): unknown }) => void response.send('own')),
    };
    expect(await routesOf('/own/7', own)).toEqual({ http_request: '/own/:id' });
  });

  it.each([true, false])('does not depend on the requests before, context: %s', async (context) => {
    const { url, events } = await serve({
      adapter,
      controllers: [Orders],
      posthog: { requests: true, context },
      ...prefixed,
    });
    const paths = [...Array<string>(5).fill('/api/nowhere'), '/api/orders/7', '/nowhere', '/api/orders/8'];
    for (const path of paths) await (await fetch(url + path)).text();
    const captured = await events();
    const routes = (name: string): unknown[] =>
      captured.filter(({ event }) => event === name).map(({ properties }) => properties.$request_route);
    const order = '/api/orders/:id';
    const none = undefined;
    expect(routes('http_request')).toEqual([none, none, none, none, none, order, none, order]);
    expect(routes('tracked')).toEqual([order, order]);
    // Without contexts, an event that a handler captures does not know its request.
    expect(routes('in_handler')).toEqual(context ? [order, order] : [none, none]);
  });
});

it('is absent for a 404 in an application created by a testing module', async () => {
  const posthog = await startPostHog();
  const module = await Test.createTestingModule({
    imports: [
      PostHogCaptureModule.forRoot({ apiKey: KEY, host: posthog.url, requests: true }),
      ...withMiddleware(ANY_PATH).imports,
    ],
  }).compile();
  const app = module.createNestApplication({ logger: false }).setGlobalPrefix('api');
  onClose(() => app.close());
  await app.listen(0, '127.0.0.1');
  await (await fetch(`${await app.getUrl()}/api/nowhere`)).text();
  await app.get(CaptureService).flush();
  expect(posthog.events.map(({ event, properties }) => [event, properties.$request_route])).toEqual([
    ['in_middleware', undefined],
    ['http_request', undefined],
  ]);
});
