import { once } from 'node:events';
import http from 'node:http';
import { Readable } from 'node:stream';
import {
  type ArgumentsHost,
  Catch,
  Controller,
  type ExceptionFilter,
  Get,
  HttpException,
  Injectable,
  Post,
  Req,
  Res,
  ServiceUnavailableException,
  StreamableFile,
} from '@nestjs/common';
import { APP_FILTER, BaseExceptionFilter } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { CaptureService, type FailedCall, getCaptureToken, PostHogCaptureModule } from 'nestjs-posthog-capture';
import { PostHogCaptureTestingModule, recorderOf, type StoredEvent } from 'nestjs-posthog-capture/testing';
import { closeAll, KEY, onClose } from '../../support/harness.js';
import { ADAPTERS, serve, type ServeOptions } from '../../support/serve.js';

afterEach(closeAll);

class DatabaseError extends Error {}

const anything = (value: unknown): unknown => value;

/** Resolves when a handler has been reached whose client then disconnects. */
let reached: (() => void) | undefined;

@Controller()
class Failing {
  @Get('bug/:id')
  bug() {
    throw new TypeError('bug');
  }

  @Get('database')
  database() {
    throw new DatabaseError('connection terminated');
  }

  @Get('unavailable')
  unavailable() {
    throw new ServiceUnavailableException();
  }

  @Get('teapot')
  teapot() {
    throw new HttpException('no coffee', 418);
  }

  @Get('text')
  text() {
    throw anything('only text');
  }

  @Post('body')
  body() {
    return 'fine';
  }

  @Get('broken')
  broken() {
    const parts = ['x'.repeat(100_000)];
    const stream = new Readable({
      read() {
        const part = parts.pop();
        if (part !== undefined) this.push(part);
        else setImmediate(() => this.destroy(new RangeError('file broke off')));
      },
    });
    return new StreamableFile(stream);
  }

  @Get('late')
  late(@Res() response: { send(body: string): void }) {
    response.send('sent');
    throw new RangeError('after the response');
  }

  @Get('abort/:kind')
  async abort(@Req() request: { raw?: http.IncomingMessage } & http.IncomingMessage) {
    const raw = request.raw ?? request;
    const closed = once(raw.socket, 'close');
    reached?.();
    await closed;
    if (request.url?.endsWith('abort') === true) throw new DOMException('stopped', 'AbortError');
    throw Object.assign(new Error(request.url), request.url?.endsWith('reset') === true && { code: 'ECONNRESET' });
  }
}

/** Captures the error with properties of its own, as applications do that have no option for it. */
@Injectable()
@Catch()
class CapturingFilter extends BaseExceptionFilter {
  constructor(private readonly capture: CaptureService) {
    super();
  }

  override catch(error: unknown, host: ArgumentsHost): void {
    super.catch(error, host);
    this.capture.captureException(error, { properties: { by: 'filter' } });
  }
}

@Catch(DatabaseError)
class Unavailable implements ExceptionFilter {
  catch(_error: DatabaseError, host: ArgumentsHost): void {
    const response = host.switchToHttp().getResponse<{ status(code: number): { send(body: string): void } }>();
    setImmediate(() => response.status(503).send('later'));
  }
}

const served = (options: ServeOptions) => serve({ controllers: [Failing], ...options });
const messagesOf = (events: readonly StoredEvent[]): unknown[] =>
  events.map(({ properties }) => properties.$exception_message);

/** Begins a request, and disconnects when its handler runs. Resolves when the handler has noticed. */
async function abort(url: string): Promise<void> {
  const isReached = new Promise<void>((resolve) => (reached = resolve));
  const request = http.get(url, { agent: false }).on('error', () => undefined);
  await isReached;
  request.destroy();
}

describe.each(ADAPTERS)('unhandled errors on %s', (adapter) => {
  it('have the call in their properties', async () => {
    const { url, events } = await served({ adapter, posthog: { exceptions: true } });
    const headers = { 'x-posthog-distinct-id': 'ann', 'x-posthog-session-id': 's1' };
    expect((await fetch(`${url}/bug/7`, { headers })).status).toBe(500);
    expect(await events()).toMatchObject([
      {
        event: '$exception',
        distinct_id: 'ann',
        properties: {
          $session_id: 's1',
          $transport: 'http',
          $handler: 'Failing.bug',
          $request_method: 'GET',
          $request_route: '/bug/:id',
          $response_status_code: 500,
          $exception_level: 'error',
          $exception_source: 'nestjs.http',
          $exception_list: [{ type: 'TypeError', mechanism: { type: 'middleware', handled: true } }],
        },
      },
    ]);
  });

  it('are not captured without the option, nor with observe: false, beside an application that captures them', async () => {
    const capturing = await served({ adapter, posthog: { exceptions: true } });
    const without = await served({ adapter });
    const disabled = await served({ adapter, posthog: { exceptions: { observe: false, limit: false } } });
    for (const { url, events } of [without, disabled]) {
      expect((await fetch(`${url}/bug/7`)).status).toBe(500);
      expect(await events()).toEqual([]);
    }
    expect(await capturing.events()).toEqual([]);
  });

  it('are captured as the callbacks of the option decide', async () => {
    const calls: FailedCall[] = [];
    const { url, events, lines } = await served({
      adapter,
      posthog: {
        exceptions: {
          status: (status) => status === 418 || status === 500,
          ignore: [
            DatabaseError,
            /^only/,
            (error, call) => {
              calls.push(call);
              return error instanceof RangeError;
            },
          ],
          properties: ({ error, statusCode, request }) => ({
            seen: (error as Error).message,
            status: statusCode,
            query: (request as { query: { q?: string } }).query.q,
            $exception_level: 'info',
          }),
        },
      },
    });
    for (const path of ['bug/7?q=1', 'database', 'unavailable', 'teapot?q=2', 'text', 'missing'])
      await fetch(`${url}/${path}`);
    const found = await events();
    expect(found.map(({ properties }) => properties)).toMatchObject([
      { seen: 'bug', status: 500, query: '1', $exception_level: 'error', $response_status_code: 500 },
      { seen: 'no coffee', status: 418, query: '2' },
    ]);
    expect(found).toHaveLength(2);
    expect(calls[0]).toMatchObject({ transport: 'http', outcome: 'error', statusCode: 500, args: [] });
    expect(calls[0]!.durationMs).toBeGreaterThan(0);
    expect(calls[0]!.execution!.getClass()).toBe(Failing);
    expect(lines.filter((line) => line.includes('exceptions'))).toEqual([]);
  });

  it('are captured where a callback fails, with a warning', async () => {
    const fail = (): never => {
      throw new Error('callback');
    };
    const { url, events, lines } = await served({
      adapter,
      posthog: { exceptions: { status: fail, ignore: [fail], properties: fail } },
    });
    await fetch(`${url}/bug/7`);
    await fetch(`${url}/teapot`);
    expect(messagesOf(await events())).toEqual(['bug']);
    for (const option of ['status', 'ignore', 'properties'])
      expect(lines.filter((line) => line.includes(`exceptions.${option} threw`))).toHaveLength(1);
  });

  it('are one event where a filter captures them too, with its properties', async () => {
    const { url, events } = await served({
      adapter,
      posthog: { exceptions: true },
      providers: [{ provide: APP_FILTER, useClass: CapturingFilter }],
    });
    await fetch(`${url}/bug/7`);
    const found = await events();
    expect(messagesOf(found)).toEqual(['bug']);
    expect(found[0]!.properties).toMatchObject({ by: 'filter', $exception_list: [{ mechanism: { type: 'generic' } }] });
  });

  it('have the status of a filter that responds later', async () => {
    const { url, events } = await served({
      adapter,
      posthog: { exceptions: true },
      providers: [{ provide: APP_FILTER, useClass: Unavailable }],
    });
    const response = await fetch(`${url}/database`);
    expect([response.status, await response.text()]).toEqual([503, 'later']);
    expect((await events()).map(({ properties }) => properties.$response_status_code)).toEqual([503]);
  });

  it('are captured by each instance with the option', async () => {
    const unreachable = { apiKey: KEY, host: 'http://127.0.0.1:9', shutdownTimeoutMs: 0 };
    const { url, events, posthog, app } = await served({
      adapter,
      posthog: { exceptions: true },
      imports: [
        PostHogCaptureModule.forRoot({ name: 'other', ...unreachable, exceptions: true }),
        PostHogCaptureModule.forRoot({ name: 'plain', ...unreachable }),
      ],
    });
    await fetch(`${url}/bug/7`);
    expect(messagesOf(await events())).toEqual(['bug']);
    const captured = (name: string): number => app.get<CaptureService>(getCaptureToken(name)).stats().captured;
    expect([captured('other'), captured('plain')]).toEqual([1, 0]);
    expect(posthog.violations).toEqual([]);
  });

  it('of a body that cannot be parsed are the fault of the client', async () => {
    const { url, events } = await served({ adapter, posthog: { exceptions: true } });
    const headers = { 'content-type': 'application/json' };
    expect((await fetch(`${url}/body`, { method: 'POST', headers, body: '{' })).status).toBe(400);
    const large = JSON.stringify('x'.repeat(2 * 1024 * 1024));
    expect((await fetch(`${url}/body`, { method: 'POST', headers, body: large })).status).toBe(413);
    expect(await events()).toEqual([]);
  });

  it('of a file that breaks off are captured, with the handler', async () => {
    const { url, app, posthog } = await served({ adapter, posthog: { exceptions: true } });
    const response = await fetch(`${url}/broken`);
    expect(response.status).toBe(200);
    await response.text().catch(() => undefined);
    await app.close();
    expect(posthog.events).toMatchObject([
      {
        properties: {
          $exception_message: 'file broke off',
          $handler: 'Failing.broken',
          $request_route: '/broken',
          $response_status_code: 200,
          $exception_list: [{ mechanism: { handled: false } }],
        },
      },
    ]);
  });

  it('that follow the response are captured', async () => {
    const { url, events } = await served({ adapter, posthog: { exceptions: true } });
    expect(await (await fetch(`${url}/late`)).text()).toBe('sent');
    expect(messagesOf(await events())).toEqual(['after the response']);
  });

  it('of a request that its client aborted are captured, unless they follow from that', async () => {
    const { url, app, posthog } = await served({ adapter, posthog: { exceptions: true } });
    for (const kind of ['abort', 'reset', 'bug']) await abort(`${url}/abort/${kind}`);
    await app.close();
    expect(messagesOf(posthog.events)).toEqual(['/abort/bug']);
  });

  it('are captured without contexts', async () => {
    const { url, events } = await served({ adapter, posthog: { exceptions: true, context: false } });
    await fetch(`${url}/bug/7`);
    expect((await events()).map(({ properties }) => properties)).toMatchObject([
      { $handler: 'Failing.bug', $request_route: '/bug/:id', $response_status_code: 500 },
    ]);
  });

  it('are recorded in a testing module', async () => {
    const module = await Test.createTestingModule({
      imports: [PostHogCaptureTestingModule.forRoot({ exceptions: true })],
      controllers: [Failing],
    }).compile();
    const app =
      adapter === 'express' ? module.createNestApplication() : module.createNestApplication(new FastifyAdapter());
    onClose(() => app.close());
    app.useLogger(false);
    await app.listen(0, '127.0.0.1');
    await fetch(`${await app.getUrl()}/bug/7`);
    expect(recorderOf(app).events).toMatchObject([{ event: '$exception', properties: { $handler: 'Failing.bug' } }]);
  });

  it('of a person who opted out are not captured', async () => {
    const identity = () => ({ distinctId: 'ann', optedOut: true });
    const { url, events } = await served({ adapter, posthog: { exceptions: true, identity } });
    await fetch(`${url}/bug/7`);
    expect(await events()).toEqual([]);
  });

  it('beyond the limit are counted', async () => {
    const { url, events, capture } = await served({ adapter, posthog: { exceptions: { limit: { burst: 2 } } } });
    for (let i = 0; i < 5; i += 1) await fetch(`${url}/bug/7`);
    expect(await events()).toHaveLength(2);
    expect(capture.stats().droppedByReason).toEqual({ rate_limited: 3 });
  });
});
