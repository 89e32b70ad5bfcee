import { once } from 'node:events';
import { get as httpGet, type ServerResponse } from 'node:http';
import { connect, constants } from 'node:http2';
import {
  Catch,
  ConflictException,
  Controller,
  type ExceptionFilter,
  type ExecutionContext,
  Get,
  type INestApplication,
  type MiddlewareConsumer,
  Module,
  type NestModule,
  Next,
  Param,
  Res,
  Scope,
  UnauthorizedException,
  UseFilters,
  UseGuards,
  UseInterceptors,
  Version,
  VersioningType,
  type ArgumentsHost,
} from '@nestjs/common';
import { APP_GUARD, APP_INTERCEPTOR, LazyModuleLoader } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { CaptureService, PostHogCaptureModule, TrackEvent, TrackEventInterceptor } from 'nestjs-posthog-capture';
import { from, of, throwError, timeout } from 'rxjs';
import { closeAll, KEY, startPostHog, watchedOptions } from '../../support/harness.js';
import { ADAPTERS, serve } from '../../support/serve.js';

const ANY = { on: 'any' } as const;
const denyIfAsked = {
  canActivate: (context: ExecutionContext): boolean => {
    const { query } = context.switchToHttp().getRequest<{ query: { deny?: string } }>();
    return query.deny === undefined;
  },
};

let leave: (response: ServerResponse) => void = () => undefined;
/** Disconnects the client, and lets the call pass when the connection is closed. */
const clientLeaves = {
  canActivate: async (context: ExecutionContext): Promise<boolean> => {
    const response = context.switchToHttp().getResponse<ServerResponse & { raw?: ServerResponse }>();
    const raw = response.raw ?? response;
    const closed = once(raw, 'close');
    leave(raw);
    await closed;
    return true;
  },
};

@Controller({ path: 'v' })
class VersionedController {
  @Get(':id')
  @Version('1')
  one() {
    return 1;
  }

  @Get(':id')
  @Version('2')
  @UseGuards(denyIfAsked)
  @TrackEvent('two', ANY)
  two() {
    return 2;
  }
}

@Controller({ path: 'hosted', host: 'api.example.com' })
class HostController {
  @Get(':id')
  @TrackEvent('hosted', ANY)
  get() {
    return 'api';
  }
}

@Catch()
class Answer200 implements ExceptionFilter {
  catch(_exception: unknown, host: ArgumentsHost): void {
    const response = host.switchToHttp().getResponse<{ status(code: number): { send(body: unknown): void } }>();
    response.status(200).send('all is well');
  }
}

@Controller('edges')
@UseInterceptors(TrackEventInterceptor)
class EdgesController {
  constructor(private readonly capture: CaptureService) {}

  @Get('bound')
  @TrackEvent('bound', ANY)
  bound() {
    return 'once';
  }

  @Get('undecorated')
  undecorated() {
    return this.capture.context.get().sessionId;
  }

  @Get('filtered')
  @UseFilters(Answer200)
  @TrackEvent('filtered', ANY)
  filtered() {
    throw new UnauthorizedException();
  }

  @Get('denied-filtered')
  @UseFilters(Answer200)
  @UseGuards(denyIfAsked)
  @TrackEvent('denied_filtered', ANY)
  deniedFiltered() {
    return 'in';
  }

  @Get('cached')
  @UseInterceptors({ intercept: () => of('from the cache') })
  @TrackEvent('cached', ANY)
  cached() {
    return 'fresh';
  }

  @Get('late')
  @UseInterceptors({ intercept: (_context, next) => next.handle().pipe(timeout(20)) })
  @TrackEvent('late', ANY)
  late() {
    return new Promise(() => undefined);
  }

  @Get('mapped')
  @UseInterceptors({ intercept: () => throwError(() => new UnauthorizedException()) })
  @TrackEvent('mapped', ANY)
  mapped() {
    return 'never';
  }

  @Get('left/:what')
  @UseGuards(clientLeaves)
  @TrackEvent('left', ANY)
  left(@Param('what') what: string) {
    return what === 'observable' ? from(['a', 'b']) : what;
  }

  @Get('passthrough')
  @TrackEvent('passthrough', { on: 'any', properties: ({ result }) => ({ result }) })
  passthrough(@Res({ passthrough: true }) response: { header(name: string, value: string): void }) {
    response.header('x-own', 'yes');
    return 'passed';
  }

  @Get('again/:id')
  @TrackEvent('again', { on: 'any', properties: ({ args }) => ({ id: args[0] }) })
  again(@Param('id') id: string): string {
    return id === 'deep' ? this.again('deeper') : id;
  }
}

@Controller('plain')
class PlainController {
  @Get()
  plain() {
    return 'plain';
  }
}

const failing = { intercept: () => throwError(() => new ConflictException()) };

@Controller('around')
class AroundController {
  @Get('above')
  @UseGuards(denyIfAsked)
  @UseInterceptors(failing)
  @TrackEvent('call', ANY)
  above() {
    return 'never';
  }

  /** This interceptor runs around ours. */
  @Get('below')
  @UseGuards(denyIfAsked)
  @TrackEvent('call', ANY)
  @UseInterceptors(failing)
  below() {
    return 'never';
  }

  @Get('errors')
  @UseGuards(denyIfAsked)
  @TrackEvent('call', { on: 'error' })
  @UseInterceptors(failing)
  errors() {
    return 'never';
  }

  @Get('plain')
  @UseGuards(denyIfAsked)
  @TrackEvent('call', ANY)
  plain() {
    return 'plain';
  }
}

@Controller('next')
class NextController {
  @Get(':id')
  @TrackEvent('passed_on', ANY)
  pass(@Next() next: () => void) {
    next();
  }

  @Get(':name')
  @TrackEvent('taken', ANY)
  take() {
    return 'taken';
  }
}

@Controller({ path: 'scoped', scope: Scope.REQUEST })
class ScopedController {
  private readonly own = {};

  @Get(':id')
  @UseGuards(denyIfAsked)
  @TrackEvent('scoped', { on: 'any', properties: ({ args }) => ({ id: args[0] }) })
  get(@Param('id') id: string) {
    return { id, ...this.own };
  }
}

afterEach(closeAll);

const get = async (url: string, headers: Record<string, string> = {}) => {
  const response = await fetch(url, { headers });
  return [response.status, await response.text()];
};

describe.each(ADAPTERS)('edges on %s', (adapter) => {
  it.each([
    [
      'URI',
      { type: VersioningType.URI } as const,
      (path: string, version: string) => [`/v${version}${path}`, {}] as const,
    ],
    [
      'header',
      { type: VersioningType.HEADER, header: 'x-version' } as const,
      (path: string, version: string) => [path, { 'x-version': version }] as const,
    ],
  ])('versions by %s, behind a prefix', async (_name, versioning, at) => {
    const { url, events } = await serve({
      adapter,
      controllers: [VersionedController],
      prepare: (app: INestApplication) => app.setGlobalPrefix('api').enableVersioning(versioning),
    });
    const prefixed = (path: string, version: string) => {
      const [versioned, headers] = at(path, version);
      return get(`${url}/api${versioned}`, headers);
    };
    expect(await prefixed('/v/7', '1')).toEqual([200, '1']);
    expect(await prefixed('/v/7', '2')).toEqual([200, '2']);
    expect((await prefixed('/v/7?deny=1', '2'))[0]).toBe(403);
    expect((await prefixed('/v/7', '3'))[0]).toBe(404);
    const captured = await events();
    expect(
      captured.map(({ event, properties }) => [event, properties.$outcome, properties.$response_status_code]),
    ).toEqual([
      ['two', 'success', 200],
      ['two', 'denied', 403],
    ]);
  });

  it.each([
    ['bound', [['bound', 'success', 200]]],
    ['undecorated', []],
    ['filtered', [['filtered', 'error', 200]]],
    ['denied-filtered?deny=1', [['denied_filtered', 'denied', 200]]],
    ['denied-filtered', [['denied_filtered', 'success', 200]]],
    ['cached', []],
    ['late', [['late', 'error', 500]]],
    ['mapped', [['mapped', 'error', 401]]],
    ['passthrough', [['passthrough', 'success', 200]]],
  ])('%s', async (path, expected) => {
    const { url, events } = await serve({ adapter, controllers: [EdgesController] });
    await get(`${url}/edges/${path}`);
    const captured = await events();
    expect(
      captured.map(({ event, properties }) => [event, properties.$outcome, properties.$response_status_code]),
    ).toEqual(expected);
  });

  it.each([
    ['above', []],
    ['below', []],
    ['errors', []],
    ['plain', [{ provide: APP_INTERCEPTOR, useValue: failing }]],
  ])(
    'an interceptor that throws instead of the handler is an error, and a guard before it a denial: %s',
    async (path, providers) => {
      const { url, events } = await serve({ adapter, controllers: [AroundController], providers });
      expect((await get(`${url}/around/${path}`))[0]).toBe(409);
      expect((await get(`${url}/around/${path}?deny=1`))[0]).toBe(403);
      const captured = (await events()).map(({ properties }) => [
        properties.$outcome,
        properties.$response_status_code,
        properties.$transport,
      ]);
      expect(captured).toEqual([['error', 409, 'http'], ...(path === 'errors' ? [] : [['denied', 403, 'http']])]);
    },
  );

  it.each(['value', 'observable'])(
    'captures aborted when the client has disconnected before the handler runs: %s',
    async (what) => {
      const { url, events, posthog } = await serve({ adapter, controllers: [EdgesController] });
      const request = httpGet(`${url}/edges/left/${what}`).on('error', () => undefined);
      leave = () => void request.destroy();
      await posthog.waitForEvents(1);
      expect((await events()).map(({ event, properties }) => [event, properties.$outcome])).toEqual([
        ['left', 'aborted'],
      ]);
    },
  );

  it('captures error when the server has destroyed the response before the handler runs', async () => {
    const { url, events, posthog } = await serve({ adapter, controllers: [EdgesController] });
    leave = (response) => void response.destroy();
    await expect(get(`${url}/edges/left/value`)).rejects.toThrow();
    await posthog.waitForEvents(1);
    expect((await events()).map(({ event, properties }) => [event, properties.$outcome])).toEqual([['left', 'error']]);
  });

  it('captures each call of a handler that calls itself', async () => {
    const { url, events } = await serve({ adapter, controllers: [EdgesController] });
    expect(await get(`${url}/edges/again/deep`)).toEqual([200, 'deeper']);
    const captured = await events();
    expect(captured.map(({ properties }) => [properties.$transport, properties.id])).toEqual([
      ['provider', 'deeper'],
      ['http', 'deep'],
    ]);
  });

  it('tracks a request-scoped controller', async () => {
    const { url, events } = await serve({ adapter, controllers: [ScopedController] });
    await Promise.all(['a', 'b'].map((id) => get(`${url}/scoped/${id}`, { 'x-posthog-distinct-id': id })));
    await get(`${url}/scoped/c?deny=1`);
    const captured = await events();
    expect(captured.map(({ properties }) => `${String(properties.id)} ${String(properties.$outcome)}`).sort()).toEqual([
      'a success',
      'b success',
      'undefined denied',
    ]);
    for (const { distinct_id, properties } of captured) if (properties.id) expect(distinct_id).toBe(properties.id);
  });

  it('has the same context in middleware of Nest and in the handler', async () => {
    @Module({ controllers: [EdgesController] })
    class WithMiddleware implements NestModule {
      constructor(private readonly service: CaptureService) {}

      configure(consumer: MiddlewareConsumer): void {
        consumer
          .apply((_request: unknown, _response: unknown, next: () => void) => {
            this.service.context.set({ properties: { from: 'middleware' } });
            this.service.capture({ event: 'in_middleware' });
            next();
          })
          .forRoutes(EdgesController);
      }
    }
    const { url, events } = await serve({ adapter, imports: [WithMiddleware] });
    await Promise.all(['ann', 'bob'].map((id) => get(`${url}/edges/bound`, { 'x-posthog-distinct-id': id })));
    const captured = await events();
    expect(captured.map(({ event, distinct_id }) => `${event} ${distinct_id}`).sort()).toEqual([
      'bound ann',
      'bound bob',
      'in_middleware ann',
      'in_middleware bob',
    ]);
    for (const { properties } of captured) expect(properties.from).toBe('middleware');
  });

  it('captures denials by global guards, and by guards added after ours', async () => {
    const { url, events } = await serve({
      adapter,
      controllers: [EdgesController],
      providers: [
        { provide: APP_GUARD, useValue: denyIfAsked },
        { provide: APP_INTERCEPTOR, useClass: TrackEventInterceptor },
      ],
    });
    expect((await get(`${url}/edges/bound?deny=1`))[0]).toBe(403);
    expect((await get(`${url}/edges/bound`))[0]).toBe(200);
    expect((await events()).map(({ properties }) => properties.$outcome)).toEqual(['denied', 'success']);
  });
});

it('a request for another host is not a denial on Express (Fastify has no hosts)', async () => {
  const { url, events } = await serve({ controllers: [HostController] });
  expect((await get(`${url}/hosted/1`))[0]).toBe(404);
  expect(await events()).toEqual([]);
});

it('a handler on Express that calls next() ends with the response', async () => {
  const { url, events } = await serve({ controllers: [NextController] });
  expect(await get(`${url}/next/x`)).toEqual([200, 'taken']);
  expect((await events()).map(({ event, properties }) => [event, properties.$outcome])).toEqual([
    ['passed_on', 'success'],
    ['taken', 'success'],
  ]);
});

it('a decorated handler keeps its person and arguments when middleware loses the context', async () => {
  const waiting: (() => void)[] = [];
  const { url, events } = await serve({
    controllers: [EdgesController],
    posthog: { requests: true },
    prepare: (app) => {
      app.use((_request: unknown, _response: unknown, next: () => void) => {
        waiting.push(next);
        if (waiting.length === 2) for (const one of waiting.splice(0)) one();
      });
    },
  });
  await Promise.all(['ann', 'bob'].map((id) => get(`${url}/edges/again/${id}`, { 'x-posthog-distinct-id': id })));
  const captured = await events('again');
  expect(captured.map(({ distinct_id, properties }) => [distinct_id, properties.id]).sort()).toEqual([
    ['ann', 'ann'],
    ['bob', 'bob'],
  ]);
});

it.each(ADAPTERS)('loads lazily into an application on %s that is already listening', async (adapter) => {
  const posthog = await startPostHog();
  const lines: string[] = [];
  const options = watchedOptions({ apiKey: KEY, host: posthog.url, flushIntervalMs: 5 }, lines);
  @Module({ imports: [PostHogCaptureModule.forRoot(options)] })
  class Late {}
  const { app, url } = await serve({ adapter, without: true, controllers: [PlainController] });
  const late = await app.get(LazyModuleLoader).load(() => Late);
  late.get(CaptureService, { strict: false }).capture({ event: 'late', distinctId: 'ann' });
  expect((await get(`${url}/plain`))[0]).toBe(200);
  await posthog.waitForEvents(1);
  expect(lines.filter((line) => line.includes('was already listening'))).toHaveLength(adapter === 'fastify' ? 1 : 0);
});

it('tracks HTTP/2 like HTTP/1', async () => {
  const adapter = new FastifyAdapter({ http2: true } as object);
  const { url, events, posthog } = await serve({
    adapter,
    controllers: [EdgesController],
    posthog: { requests: true },
  });
  const client = connect(url);
  const call = (path: string) => client.request({ ':path': path, 'x-posthog-distinct-id': 'ann' });
  const answered = call('/edges/bound');
  answered.resume();
  await once(answered, 'end');
  const left = call('/edges/late');
  left.on('error', () => undefined);
  left.close(constants.NGHTTP2_CANCEL);
  await posthog.waitForEvents(4);
  client.close();
  const captured = await events();
  expect(captured.map(({ event, distinct_id, properties }) => [event, distinct_id, properties.$outcome])).toEqual([
    ['http_request', 'ann', 'success'],
    ['bound', 'ann', 'success'],
    ['http_request', 'ann', 'aborted'],
    ['late', 'ann', 'aborted'],
  ]);
});
