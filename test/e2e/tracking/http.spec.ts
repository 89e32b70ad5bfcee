import { once } from 'node:events';
import http from 'node:http';
import { Readable } from 'node:stream';
import {
  Body,
  type CanActivate,
  Controller,
  type ExecutionContext,
  ForbiddenException,
  Get,
  HttpCode,
  HttpException,
  NotFoundException,
  Param,
  ParseIntPipe,
  Post,
  Query,
  Res,
  Sse,
  StreamableFile,
  UseGuards,
} from '@nestjs/common';
import { CaptureService, type CaptureContext, TrackEvent } from 'nestjs-posthog-capture';
import { concat, EMPTY, from, NEVER, throwError, timer } from 'rxjs';
import { closeAll } from '../../support/harness.js';
import { ADAPTERS, serve, type Served } from '../../support/serve.js';

interface Request {
  headers: Record<string, string | undefined>;
  user?: { id: string; plan: string };
}

/** Like an authentication guard: the user is known only after it has run. */
class AuthGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest<Request>();
    const id = request.headers['x-user'];
    if (id !== undefined) request.user = { id, plan: `plan of ${id}` };
    return true;
  }
}

class DenyGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const { query } = context.switchToHttp().getRequest<{ query: { deny?: string } }>();
    if (query.deny === 'false') return false;
    if (query.deny !== undefined) throw new HttpException('no', Number(query.deny));
    return true;
  }
}

/** Called by the handler that never responds. */
let onSlow = (): void => undefined;

@UseGuards(AuthGuard)
@Controller('calls')
class CallsController {
  constructor(private readonly capture: CaptureService) {}

  @TrackEvent('value', { properties: ({ args, result }) => ({ id: args[0], answer: (result as { id: number }).id }) })
  @Get('value/:id')
  value(@Param('id', ParseIntPipe) id: number) {
    return { id };
  }

  @Post('promise')
  @HttpCode(202)
  @TrackEvent('promise', { on: 'any', properties: ({ result, error }) => ({ result, failed: error !== undefined }) })
  async promise(@Body() body: { fail?: boolean; n: number }) {
    await new Promise(setImmediate);
    this.capture.capture({ event: 'inside', properties: { n: body.n } });
    if (body.fail) throw new ForbiddenException();
    return { n: body.n };
  }

  @Get('none')
  @TrackEvent('none', { on: 'any' })
  none() {
    return EMPTY;
  }

  @Get('many')
  @TrackEvent('many', { on: 'any', properties: ({ result }) => ({ last: result }) })
  many() {
    return from([1, 2, 3]);
  }

  @Get('broken')
  @TrackEvent('broken', { on: 'any', properties: ({ error }) => ({ message: (error as Error).message }) })
  broken() {
    return throwError(() => new NotFoundException('gone'));
  }

  @Get('file')
  @TrackEvent('file', { on: 'any' })
  file() {
    return new StreamableFile(Readable.from([Buffer.from('one '), Buffer.from('two')]));
  }

  @Get('broken-file')
  @TrackEvent('broken_file', { on: 'any', properties: ({ error }) => ({ message: (error as Error).message }) })
  brokenFile() {
    return new StreamableFile(
      new Readable({
        read() {
          this.destroy(new Error('disk'));
        },
      }),
    );
  }

  @Sse('stream')
  @TrackEvent('stream', { on: 'any' })
  stream(@Query('endless') endless?: string) {
    const three = from([{ data: '1' }, { data: '2' }, { data: '3' }]);
    return endless ? concat(three, NEVER) : three;
  }

  @Get('by-hand')
  @TrackEvent('by_hand', { on: 'any' })
  byHand(@Res() response: { status(code: number): { send(body: unknown): void } }) {
    setTimeout(() => response.status(201).send({ by: 'hand' }), 5);
  }

  @Get('slow')
  @TrackEvent('slow', { on: 'any' })
  slow() {
    onSlow();
    return NEVER;
  }

  @Get('denied/:id')
  @UseGuards(DenyGuard)
  @TrackEvent('denied', { on: 'denied' })
  @TrackEvent('reached', { on: ['success', 'error'] })
  denied(@Param('id') id: string) {
    return { id };
  }

  @Get('anonymous')
  @TrackEvent('twice')
  @TrackEvent('again', { distinctId: 'somebody' })
  anonymous() {
    this.capture.capture({ event: 'inside' });
    return timer(1);
  }
}

const identity = ({ request }: { request?: Request }): CaptureContext | undefined =>
  request?.user && { distinctId: request.user.id, properties: { plan: request.user.plan } };

const get = (url: string, headers: Record<string, string> = {}) => fetch(url, { headers });

afterEach(closeAll);

describe.each(ADAPTERS)('@TrackEvent over HTTP on %s', (adapter) => {
  const start = (): Promise<Served> => serve({ adapter, controllers: [CallsController], posthog: { identity } });

  it('captures a success before the response is sent', async () => {
    const { url, events, capture } = await start();
    await (await get(`${url}/calls/value/7`, { 'x-user': 'ann' })).text();
    expect(capture.stats().captured).toBe(1);
    const [event] = await events();
    expect(event).toMatchObject({
      event: 'value',
      distinct_id: 'ann',
      properties: {
        id: 7,
        answer: 7,
        plan: 'plan of ann',
        $outcome: 'success',
        $transport: 'http',
        $response_status_code: 200,
        $request_method: 'GET',
        $request_route: '/calls/value/:id',
        $duration_ms: expect.any(Number) as number,
      },
    });
  });

  it.each([
    // Nest responds with 500 to an empty Observable, decorated or not.
    ['none', 'none', 500, 'error', {}],
    ['many', 'many', 200, 'success', { last: 3 }],
    ['broken', 'broken', 404, 'error', { message: 'gone' }],
    ['file', 'file', 200, 'success', {}],
    ['stream', 'stream', 200, 'success', {}],
    ['by-hand', 'by_hand', 201, 'success', {}],
  ])('captures %s once', async (path, event, status, outcome, properties) => {
    const { url, events } = await start();
    const response = await get(`${url}/calls/${path}`);
    await response.text();
    const captured = await events();
    expect(captured.map((one) => one.event)).toEqual([event]);
    expect(captured[0]!.properties).toMatchObject({ $outcome: outcome, $response_status_code: status, ...properties });
  });

  it('captures a rejection by a pipe as error, with its status', async () => {
    const { url, events } = await serve({
      adapter,
      controllers: [PipesController],
    });
    await (await get(`${url}/pipes/abc`)).text();
    const [event] = await events('piped');
    expect(event!.properties).toMatchObject({ $outcome: 'error', $response_status_code: 400, args: 0 });
  });

  it('captures a stream that breaks as error, not aborted', async () => {
    const { url, events, posthog } = await start();
    await get(`${url}/calls/broken-file`).then(
      (response) => response.text(),
      () => undefined,
    );
    await posthog.waitForEvents(1);
    const [event] = await events();
    expect(event!.properties).toMatchObject({ $outcome: 'error', message: 'disk' });
  });

  it.each(['slow', 'stream?endless=yes'])('captures aborted when the client disconnects from %s', async (path) => {
    const { url, events, posthog } = await start();
    const isCalled = new Promise<void>((resolve) => (onSlow = resolve));
    const request = http.get(`${url}/calls/${path}`);
    request.on('error', () => undefined);
    if (path === 'slow') await isCalled;
    else await once((await once(request, 'response'))[0] as http.IncomingMessage, 'data');
    request.destroy();
    await posthog.waitForEvents(1);
    const captured = await events();
    expect(captured).toHaveLength(1);
    expect(captured[0]!.properties.$outcome).toBe('aborted');
  });

  it.each(['false', '401', '404', '302', '503'])('captures a denial by a guard with %s', async (deny) => {
    const { url, events } = await start();
    const response = await fetch(`${url}/calls/denied/3?deny=${deny}`, {
      headers: { 'x-user': 'eve' },
      redirect: 'manual',
    });
    const captured = await events();
    expect(captured.map(({ event, distinct_id }) => [event, distinct_id])).toEqual([['denied', 'eve']]);
    expect(captured[0]!.properties).toMatchObject({
      $outcome: 'denied',
      $response_status_code: deny === 'false' ? 403 : Number(deny),
      $request_route: '/calls/denied/:id',
    });
    expect(response.status).toBe(captured[0]!.properties.$response_status_code);
  });

  it('does not capture a denial when the guards pass', async () => {
    const { url, events } = await start();
    await get(`${url}/calls/denied/3`);
    expect((await events()).map(({ event }) => event)).toEqual(['reached']);
  });

  it('shares one random id among the events of an anonymous request, and captures both events of a method decorated twice', async () => {
    const { url, events } = await start();
    await get(`${url}/calls/anonymous`);
    const captured = await events();
    const of = (name: string) => captured.find(({ event }) => event === name)!;
    expect(captured).toHaveLength(3);
    expect(of('again').distinct_id).toBe('somebody');
    expect(of('twice').distinct_id).toBe(of('inside').distinct_id);
    expect(of('twice').properties.$process_person_profile).toBe(false);
  });

  it('never mixes 100 concurrent calls', async () => {
    const { url, events } = await start();
    await Promise.all(
      Array.from({ length: 100 }, async (_, n) => {
        const response = await fetch(`${url}/calls/promise`, {
          method: 'POST',
          headers: {
            'content-type': 'application/json',
            'x-user': `user_${n}`,
            'x-posthog-session-id': `session_${n}`,
          },
          body: JSON.stringify({ n, fail: n % 4 === 0 }),
        });
        await response.text();
        expect(response.status).toBe(n % 4 === 0 ? 403 : 202);
      }),
    );
    const captured = await events();
    expect(captured).toHaveLength(200);
    for (let n = 0; n < 100; n += 1) {
      const mine = captured.filter(({ distinct_id }) => distinct_id === `user_${n}`);
      const failed = n % 4 === 0;
      expect(mine.map(({ event }) => event).sort()).toEqual(['inside', 'promise']);
      for (const { properties } of mine) {
        expect(properties).toMatchObject({
          $session_id: `session_${n}`,
          plan: `plan of user_${n}`,
          $request_route: '/calls/promise',
        });
      }
      const { properties } = mine.find(({ event }) => event === 'promise')!;
      expect(properties).toMatchObject({
        $outcome: failed ? 'error' : 'success',
        $response_status_code: failed ? 403 : 202,
        failed,
        ...(failed ? {} : { result: { n } }),
      });
      expect(mine.find(({ event }) => event === 'inside')!.properties.n).toBe(n);
    }
  });
});

@Controller('pipes')
class PipesController {
  @Get(':id')
  @TrackEvent('piped', { on: 'any', properties: ({ args }) => ({ args: args.length }) })
  piped(@Param('id', ParseIntPipe) id: number) {
    return { id };
  }
}
