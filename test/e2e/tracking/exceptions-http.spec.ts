import { readFileSync } from 'node:fs';
import http from 'node:http';
import { Readable } from 'node:stream';
import {
  type ArgumentsHost,
  type CanActivate,
  Catch,
  Controller,
  type ExceptionFilter,
  type ExecutionContext,
  Get,
  HttpException,
  type INestApplication,
  Injectable,
  type MiddlewareConsumer,
  Module,
  type NestInterceptor,
  type NestMiddleware,
  type NestModule,
  Next,
  NotFoundException,
  Param,
  type PipeTransform,
  type Provider,
  Res,
  Scope,
  ServiceUnavailableException,
  Sse,
  StreamableFile,
  type Type,
  UseFilters,
  UseGuards,
  UseInterceptors,
  UsePipes,
} from '@nestjs/common';
import { APP_FILTER, BaseExceptionFilter, HttpAdapterHost } from '@nestjs/core';
import { type PostHogCaptureModuleOptions } from 'nestjs-posthog-capture';
import { type StoredEvent } from 'nestjs-posthog-capture/testing';
import { concat, of, throwError } from 'rxjs';
import { closeAll } from '../../support/harness.js';
import { ADAPTERS, type AdapterName, serve } from '../../support/serve.js';

afterEach(closeAll);

const core = JSON.parse(readFileSync('node_modules/@nestjs/core/package.json', 'utf8')) as { version: string };
const isNest10 = core.version.startsWith('10.');

/** An error of the application that no part of Nest knows. */
class DomainError extends Error {}

const ERRORS: Readonly<Record<string, (message: string) => unknown>> = {
  error: (message) => new TypeError(message),
  missing: (message) => new NotFoundException(message),
  unavailable: (message) => new ServiceUnavailableException(message),
  domain: (message) => new DomainError(message),
  text: (message) => message,
};
const KINDS = ['error', 'missing', 'domain'];

/** The error that the last part of a path names. */
function errorOf(path: string): unknown {
  const [place, kind] = path.split('/').slice(-2);
  return ERRORS[kind!]!(`${place!} ${kind!}`);
}

const fail = (path: string): never => {
  throw errorOf(path);
};

const urlOf = (context: ExecutionContext): string => context.switchToHttp().getRequest<{ url: string }>().url;

class FailingGuard implements CanActivate {
  async canActivate(context: ExecutionContext): Promise<boolean> {
    await Promise.resolve();
    return fail(urlOf(context));
  }
}

class FailingPipe implements PipeTransform<string> {
  transform(kind: string): string {
    return fail(`pipe/${kind}`);
  }
}

class FailingInterceptor implements NestInterceptor {
  intercept(context: ExecutionContext): never {
    return fail(urlOf(context));
  }
}

interface Request {
  readonly url: string;
  readonly originalUrl?: string;
}

@Injectable()
class FailingMiddleware implements NestMiddleware {
  use({ originalUrl, url }: Request): void {
    fail(originalUrl ?? url);
  }
}

async function failingMiddleware({ originalUrl, url }: Request): Promise<void> {
  await Promise.resolve();
  fail(originalUrl ?? url);
}

/** The places in which an application fails, each with the method whose route it is. */
function controllers(...decorators: ClassDecorator[]): Type[] {
  @Controller()
  class Places {
    @Get('sync/:kind')
    sync(@Param('kind') kind: string) {
      fail(`sync/${kind}`);
    }

    @Get('async/:kind')
    async async(@Param('kind') kind: string) {
      await new Promise(setImmediate);
      fail(`async/${kind}`);
    }

    @Get('observable/:kind')
    observable(@Param('kind') kind: string) {
      return throwError(() => errorOf(`observable/${kind}`));
    }

    @Get('guard/:kind')
    @UseGuards(FailingGuard)
    guard() {
      return 'unreachable';
    }

    @Get('pipe/:kind')
    @UsePipes(FailingPipe)
    pipe(@Param('kind') kind: string) {
      return kind;
    }

    @Get('interceptor/:kind')
    @UseInterceptors(FailingInterceptor)
    interceptor() {
      return 'unreachable';
    }

    @Get('middleware/:kind')
    middleware() {
      return 'unreachable';
    }

    @Get('function/:kind')
    function() {
      return 'unreachable';
    }

    @Get('stream/:kind')
    stream(@Param('kind') kind: string) {
      const stream = new Readable({
        read() {
          const error = errorOf(`stream/${kind}`);
          this.destroy(error instanceof Error ? error : new Error(String(error)));
        },
      });
      return new StreamableFile(stream);
    }

    @Sse('sse/:kind')
    sse(@Param('kind') kind: string) {
      return fail(`sse/${kind}`);
    }

    @Sse('late/:kind')
    late(@Param('kind') kind: string) {
      return concat(
        of({ data: 'first' }),
        throwError(() => errorOf(`late/${kind}`)),
      );
    }

    @Get('fine/:kind')
    fine() {
      return { fine: true };
    }
  }

  @Controller({ scope: Scope.REQUEST })
  class PerRequest {
    @Get('scoped/:kind')
    scoped(@Param('kind') kind: string) {
      fail(`scoped/${kind}`);
    }
  }

  @Controller()
  class WithNext {
    @Get('next/:kind')
    next(@Param('kind') kind: string, @Res() _response: unknown, @Next() next: (error: unknown) => void) {
      next(errorOf(`next/${kind}`));
    }
  }

  const classes: Type[] = [Places, PerRequest, WithNext];
  for (const one of classes) for (const decorate of decorators) decorate(one);
  return classes;
}

/** Express has `next()` in its handlers, Fastify has not. */
const placesOf = (adapter: AdapterName): string[] => [
  ...['sync', 'async', 'observable', 'guard', 'pipe', 'interceptor', 'middleware', 'function', 'stream'],
  ...['sse', 'late', 'scoped', 'nowhere', 'use'],
  ...(adapter === 'express' ? ['next'] : []),
];

interface Response {
  status?(code: number): Response;
  send(body: string): void;
  statusCode: number;
  end(body: string): void;
}

/** Filters of middleware have Node's own response on Fastify with Nest 10. */
function respond(host: ArgumentsHost, status: number, body: string): void {
  const response = host.switchToHttp().getResponse<Response>();
  if (response.status !== undefined) {
    response.status(status).send(body);
    return;
  }
  response.statusCode = status;
  response.end(body);
}

/** Responds as most applications do. */
class Responding implements ExceptionFilter {
  catch(error: unknown, host: ArgumentsHost): void {
    const status = error instanceof HttpException ? error.getStatus() : 500;
    respond(host, status, error instanceof Error ? error.message : String(error));
  }
}

@Catch()
class CatchAll extends Responding {}

@Catch()
class Inheriting extends CatchAll {}

/** Logs and leaves the response to Nest. */
@Catch()
class Extending extends BaseExceptionFilter {
  override catch(error: unknown, host: ArgumentsHost): void {
    super.catch(error, host);
  }
}

@Catch()
class ExtendingWithoutMethod extends BaseExceptionFilter {}

@Catch()
class Rethrowing implements ExceptionFilter {
  catch(error: unknown): never {
    throw error;
  }
}

@Catch(DomainError)
class Mapping implements ExceptionFilter<DomainError> {
  catch(error: DomainError, host: ArgumentsHost): void {
    respond(host, 404, error.message);
  }
}

/** As the global filter of @sentry/nestjs, which reports what is no exception of Nest, and leaves the response to it. */
@Catch()
class Reporting extends BaseExceptionFilter {
  static readonly reported: unknown[] = [];

  override catch(error: unknown, host: ArgumentsHost): void {
    if (!(error instanceof HttpException)) Reporting.reported.push(error);
    super.catch(error, host);
  }
}

/** Hides what it should not: a client error becomes one of the server. */
@Catch(NotFoundException)
class Worsening implements ExceptionFilter {
  catch(_error: unknown, host: ArgumentsHost): void {
    respond(host, 500, '');
  }
}

interface Filters {
  readonly providers?: Provider[];
  readonly controllers?: Type[];
  readonly prepare?: (app: INestApplication) => unknown;
}

const global = (useClass: Type<ExceptionFilter>): Filters => ({ providers: [{ provide: APP_FILTER, useClass }] });
const onControllers = (filter: Type<ExceptionFilter> | ExceptionFilter): Filters => ({
  controllers: controllers(UseFilters(filter)),
});

const FILTERS: Readonly<Record<string, Filters>> = {
  'no filter': {},
  APP_FILTER: global(CatchAll),
  useGlobalFilters: { prepare: (app) => app.useGlobalFilters(new CatchAll()) },
  '@UseFilters with a class': onControllers(CatchAll),
  '@UseFilters with an instance': onControllers(new CatchAll()),
  'a filter with an inherited method': global(Inheriting),
  'a filter that extends BaseExceptionFilter': {
    prepare: (app) => app.useGlobalFilters(new Extending(app.get(HttpAdapterHost).httpAdapter)),
  },
  'BaseExceptionFilter under another name': global(ExtendingWithoutMethod),
  'a filter that reports to another product': global(Reporting),
  'a filter that rethrows': onControllers(Rethrowing),
  'a filter that maps to 404': global(Mapping),
  'a filter that maps to 500': global(Worsening),
};

const PLAIN = controllers();

async function serveFilters(
  adapter: AdapterName,
  { providers = [], controllers: own = PLAIN, prepare }: Filters,
  posthog: PostHogCaptureModuleOptions | undefined,
) {
  @Module({ controllers: own, providers: [...providers, FailingMiddleware] })
  class Places implements NestModule {
    configure(consumer: MiddlewareConsumer): void {
      consumer.apply(FailingMiddleware).forRoutes('middleware/:kind');
      consumer.apply(failingMiddleware).forRoutes('function/:kind');
    }
  }
  return serve({
    adapter,
    imports: [Places],
    ...(posthog === undefined ? { without: true } : { posthog }),
    prepare: async (app) => {
      await prepare?.(app);
      app.use('/use', (request: Request, _response: unknown, next: (error?: unknown) => void) => {
        next(errorOf(request.originalUrl ?? request.url));
      });
    },
  });
}

interface Answer {
  readonly status: number;
  readonly headers: readonly string[];
  readonly body: string;
}

/** The response byte for byte, without the date. */
function answerOf(url: string, headers: Record<string, string> = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = http.get(url, { headers, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      const done = (): void => {
        const { rawHeaders } = response;
        const at = rawHeaders.findIndex((name) => name.toLowerCase() === 'date');
        resolve({
          status: response.statusCode!,
          headers: at < 0 ? rawHeaders : rawHeaders.toSpliced(at, 2),
          body: Buffer.concat(chunks).toString('latin1'),
        });
      };
      response.once('end', done).once('error', done);
    });
    request.once('error', reject);
  });
}

const casesOf = (adapter: AdapterName): string[] => [
  ...placesOf(adapter).flatMap((place) => KINDS.map((kind) => `${place}/${kind}`)),
  ...['sync/unavailable', 'sync/text', 'guard/text', 'fine/error'],
];

async function answersOf(adapter: AdapterName, url: string): Promise<Record<string, Answer>> {
  const paths = casesOf(adapter);
  const answers = await Promise.all(paths.map((path) => answerOf(`${url}/${path}`)));
  return Object.fromEntries(paths.map((path, index) => [path, answers[index]!]));
}

/** A stream of events has status 200, whatever becomes of it. */
const isFailure = (path: string, { status }: Answer): boolean =>
  path.startsWith('late/') ? path !== 'late/missing' : status >= 500;

const messageOf = (path: string): string =>
  path.startsWith('nowhere') ? `Cannot GET /${path}` : path.replace('/', ' ');

describe.each(ADAPTERS)('%s', (adapter) => {
  const kinds = Object.keys(FILTERS).filter(
    // On Express 4 an error of a filter is an unhandled rejection, with or without this package.
    (kind) => !(isNest10 && adapter === 'express' && kind === 'a filter that rethrows'),
  );

  it.each(kinds)('%s: one event per failure, none per client error, and the same responses', async (kind) => {
    const filters = FILTERS[kind]!;
    const plain = await serveFilters(adapter, filters, undefined);
    const expected = await answersOf(adapter, plain.url);
    const served = await serveFilters(adapter, filters, { exceptions: { limit: false } });
    const answers = await answersOf(adapter, served.url);
    // Events are captured when a response has ended, which may be after the client has it.
    await served.app.close();

    expect(answers).toEqual(expected);
    const events = served.posthog.events.filter(({ event }) => event === '$exception');
    const failures = Object.entries(answers).filter(([path, answer]) => isFailure(path, answer));
    expect(events.map(({ properties }) => properties.$exception_message).sort()).toEqual(
      failures.map(([path]) => messageOf(path)).sort(),
    );
    const byMessage = new Map(events.map((event) => [event.properties.$exception_message, event]));
    for (const [path, { status }] of failures) {
      const { properties } = byMessage.get(messageOf(path)) as StoredEvent;
      const [place] = path.split('/') as [string];
      expect({ path, status: properties.$response_status_code }).toEqual({ path, status });
      expect(properties).toMatchObject({
        $transport: 'http',
        $exception_source: 'nestjs.http',
        $exception_list: [{ mechanism: { type: 'middleware', handled: place !== 'late' } }],
      });
      const withHandler = ['sync', 'async', 'observable', 'guard', 'pipe', 'interceptor', 'sse'];
      if (withHandler.includes(place)) expect(properties.$handler).toBe(`Places.${place}`);
      if (place === 'scoped') expect(properties.$handler).toBe('PerRequest.scoped');
    }
    expect(served.posthog.violations).toEqual([]);
  });

  it('beside a filter that reports to another product: both have each error once', async () => {
    Reporting.reported.length = 0;
    const { url, app, posthog } = await serveFilters(adapter, global(Reporting), { exceptions: true });
    for (const path of ['async/error', 'guard/domain', 'sync/missing']) await answerOf(`${url}/${path}`);
    await app.close();
    const messages = ['async error', 'guard domain'];
    expect(Reporting.reported.map((error) => (error as Error).message)).toEqual(messages);
    expect(posthog.events.map(({ properties }) => properties.$exception_message)).toEqual(messages);
  });

  it('the example django_middleware of exception-event-metadata: an error that escapes a response', async () => {
    @Controller()
    class Escaping {
      @Sse()
      events() {
        const error = Object.assign(new Error('Request failed'), { name: 'RequestError', stack: undefined });
        return concat(
          of({ data: 'first' }),
          throwError(() => error),
        );
      }
    }
    const { url, app, posthog } = await serve({ adapter, controllers: [Escaping], posthog: { exceptions: true } });
    await answerOf(url);
    await app.close();
    expect(posthog.events).toMatchObject([
      { event: '$exception', properties: { $exception_level: 'error', $exception_source: 'nestjs.http' } },
    ]);
    expect(posthog.events[0]!.properties.$exception_list).toEqual([
      {
        type: 'RequestError',
        value: 'Request failed',
        mechanism: { type: 'middleware', handled: false, synthetic: false, exception_id: 0 },
      },
    ]);
    expect(posthog.events[0]!.properties).not.toHaveProperty('$exception_sources');
  });

  it('the status of a response that had begun is the one that was sent', async () => {
    @Catch()
    class Ending implements ExceptionFilter {
      catch(_error: unknown, host: ArgumentsHost): void {
        const response = host.switchToHttp().getResponse<{ raw?: http.ServerResponse } & http.ServerResponse>();
        const raw = response.raw ?? response;
        raw.statusCode = 500;
        raw.end();
      }
    }
    @Controller()
    class Writing {
      @Get()
      @UseFilters(Ending)
      write(@Res() response: { raw?: http.ServerResponse } & http.ServerResponse): void {
        (response.raw ?? response).write('first');
        throw new Error('after the first bytes');
      }
    }
    const { url, app, posthog } = await serve({ adapter, controllers: [Writing], posthog: { exceptions: true } });
    expect(await answerOf(url)).toMatchObject({ status: 200, body: 'first' });
    await app.close();
    expect(posthog.events).toMatchObject([{ properties: { $response_status_code: 200 } }]);
  });

  it('200 concurrent failures of 200 persons: each has its own person, session, route and handler', async () => {
    @Controller()
    class Many {}
    const numbers = Array.from({ length: 200 }, (_, index) => index);
    for (const number of numbers) {
      const name = `handler${number}`;
      const method = {
        [name]: async () => {
          await new Promise(setImmediate);
          throw new RangeError(name);
        },
      }[name];
      Object.defineProperty(Many.prototype, name, { value: method, configurable: true, writable: true });
      Get(`route${number}/:id`)(Many.prototype, name, Object.getOwnPropertyDescriptor(Many.prototype, name)!);
    }
    const { url, app, posthog } = await serve({
      adapter,
      controllers: [Many],
      posthog: { exceptions: { limit: false } },
    });
    await Promise.all(
      numbers.map((number) =>
        answerOf(`${url}/route${number}/1`, {
          'x-posthog-distinct-id': `person${number}`,
          'x-posthog-session-id': `session${number}`,
        }),
      ),
    );
    await app.close();
    const seen = posthog.events.map(({ distinct_id, properties }) => [
      distinct_id,
      properties.$session_id,
      properties.$exception_message,
      properties.$handler,
      JSON.stringify(properties).includes(`"/route${distinct_id.replace('person', '')}/:id"`),
    ]);
    const number = (one: (typeof seen)[number]): number => Number(String(one[0]).replace('person', ''));
    expect(seen.sort((a, b) => number(a) - number(b))).toEqual(
      numbers.map((n) => [`person${n}`, `session${n}`, `handler${n}`, `Many.handler${n}`, true]),
    );
  });
});
