import { EventEmitter, once } from 'node:events';
import http, { type IncomingMessage } from 'node:http';
import {
  Body,
  type CanActivate,
  Controller,
  type ExecutionContext,
  Get,
  Injectable,
  type NestInterceptor,
  Post,
  UseGuards,
  UseInterceptors,
  ValidationPipe,
} from '@nestjs/common';
import { ClientProxyFactory, MessagePattern, Payload, Transport } from '@nestjs/microservices';
import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { attachContext, CaptureService, RestoreContext, TrackEvent, withJobContext } from 'nestjs-posthog-capture';
import { IsString } from 'class-validator';
import { firstValueFrom } from 'rxjs';
import { io } from 'socket.io-client';
import { closeAll, onClose, start as startAlone } from '../../support/harness.js';
import { ADAPTERS, freePort, serve, type Served, type ServeOptions } from '../../support/serve.js';

interface Request {
  headers: Record<string, string | undefined>;
  user?: string;
}

/** The part of Fastify used here. */
interface BodyParsers {
  addContentTypeParser(type: string, parse: (request: unknown, payload: AsyncIterable<unknown>) => unknown): unknown;
}

@Injectable()
class UserGuard implements CanActivate {
  constructor(private readonly capture: CaptureService) {}

  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest<Request>();
    // The user is not known yet: this result must not be kept.
    this.capture.capture({ event: 'before' });
    request.user = request.headers['x-user'];
    return true;
  }
}

@Controller()
class WhoController {
  constructor(private readonly capture: CaptureService) {}

  @Get('who')
  @UseGuards(UserGuard)
  who() {
    this.capture.capture({ event: 'after' });
    return this.capture.context.get();
  }

  @Get('explicit')
  @UseGuards(UserGuard)
  explicit() {
    this.capture.context.set({ distinctId: 'code' });
    this.capture.capture({ event: 'context' });
    this.capture.capture({ event: 'call', distinctId: 'call' });
    return {};
  }

  @Get('out')
  @TrackEvent('tracked', { on: 'any' })
  out() {
    this.capture.context.set({ optedOut: true });
    return { id: this.capture.capture({ event: 'never' }) };
  }

  @Post('said')
  @UseGuards(UserGuard)
  said(@Body() { by }: { by: string }) {
    this.capture.capture({ event: 'said', properties: { by } });
    return {};
  }

  @Post('export')
  @UseGuards(UserGuard)
  export() {
    return this.capture.context.export();
  }

  @Get('nested')
  @UseInterceptors({
    intercept: (_context, next) => next.handle(),
  } satisfies NestInterceptor)
  @TrackEvent('outer')
  async nested() {
    await this.capture.withContext({ distinctId: 'inner', properties: { depth: 2 } }, async () => {
      await new Promise(setImmediate);
      this.capture.capture({ event: 'within' });
    });
    return {};
  }
}

afterEach(closeAll);

describe.each(ADAPTERS)('the context of a request on %s', (adapter) => {
  const asked: string[] = [];
  const start = (posthog: ServeOptions['posthog'] = {}, prepare?: ServeOptions['prepare']): Promise<Served> => {
    asked.length = 0;
    const identity: NonNullable<NonNullable<ServeOptions['posthog']>['identity']> = ({ request, transport }) => {
      const user = (request as Request | undefined)?.user;
      asked.push(`${transport} ${user ?? 'nobody'}`);
      return user === undefined ? undefined : { distinctId: user, groups: { company: 'acme' } };
    };
    return serve({
      adapter,
      controllers: [WhoController],
      posthog: { identity, ...posthog },
      ...(prepare && { prepare }),
    });
  };
  const headers = { 'x-posthog-distinct-id': ' browser\t ', 'x-posthog-session-id': 's-1' };

  it('calls identity when an event needs it, and never again once it has returned a user', async () => {
    const { url, events } = await start();
    const response = await fetch(`${url}/who`, { headers: { ...headers, 'x-user': 'ann' } });
    expect(await response.json()).toMatchObject({ distinctId: 'ann', sessionId: 's-1', groups: { company: 'acme' } });
    expect(asked).toEqual(['http nobody', 'http ann']);
    const captured = await events();
    expect(captured.find(({ event }) => event === 'after')!.distinct_id).toBe('ann');
    // With an identity the header is not trusted.
    expect(captured.find(({ event }) => event === 'before')!.properties.$process_person_profile).toBe(false);
  });

  it('trusts the headers where there is no identity, unless tracingHeaders is off', async () => {
    const { url } = await start({ identity: undefined });
    const who = await (await fetch(`${url}/who`, { headers })).json();
    expect(who).toMatchObject({ distinctId: 'browser', sessionId: 's-1' });
    await closeAll();
    const other = await start({ identity: undefined, tracingHeaders: false });
    expect(Object.keys((await (await fetch(`${other.url}/who`, { headers })).json()) as object)).toEqual([
      'properties',
    ]);
  });

  it('lets code override identity, and the call override code', async () => {
    const { url, events } = await start();
    await fetch(`${url}/explicit`, { headers: { 'x-user': 'ann' } });
    const captured = await events();
    const idOf = (name: string) => captured.find(({ event }) => event === name)!.distinct_id;
    expect([idOf('context'), idOf('call')]).toEqual(['code', 'call']);
  });

  it('captures nothing for a person who opted out', async () => {
    const { url, events, capture } = await start();
    expect(await (await fetch(`${url}/out`)).json()).toEqual({ id: null });
    expect(await events()).toEqual([]);
    expect(capture.stats().droppedByReason).toEqual({ opted_out: 2 });
  });

  it('survives a body received in chunks, each request with its own', async () => {
    const people = ['ann', 'bob', 'cid'];
    const requestsBegun = new EventEmitter();
    const allBegan = once(requestsBegun, 'all');
    let begun = 0;
    const { url, events } = await start({}, (app) =>
      app.use((_request: unknown, _response: unknown, next: () => void) => {
        begun += 1;
        if (begun === people.length) requestsBegun.emit('all');
        next();
      }),
    );
    const requests = people.map((by) => {
      const request = http.request(`${url}/said`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-posthog-session-id': `of ${by}`, 'x-user': by },
      });
      request.write('{"by":');
      return { by, request };
    });
    await allBegan;
    for (const { by, request } of requests.reverse()) {
      request.end(`"${by}"}`);
      const [response] = (await once(request, 'response')) as [IncomingMessage];
      expect(response.resume().statusCode).toBe(201);
    }
    for (const name of ['before', 'said']) {
      const captured = await events(name);
      expect(captured.map(({ properties }) => properties.$session_id)).toEqual(['of cid', 'of bob', 'of ann']);
    }
    const said = (await events('said')).map(({ distinct_id, properties }) => [distinct_id, properties.by]);
    expect(said).toEqual([
      ['cid', 'cid'],
      ['bob', 'bob'],
      ['ann', 'ann'],
    ]);
  });

  it('exports the current user, and nothing of the request', async () => {
    const { url } = await start();
    const response = await fetch(`${url}/export`, { method: 'POST', headers: { ...headers, 'x-user': 'ann' } });
    expect(await response.json()).toEqual({ distinctId: 'ann', sessionId: 's-1', groups: { company: 'acme' } });
  });

  it('opens no context when switched off, and tracked events still have their person', async () => {
    const { url, events } = await start({ context: false });
    const who = await (await fetch(`${url}/who`, { headers: { 'x-user': 'ann' } })).json();
    expect(who).toEqual({});
    expect(asked).toEqual([]);
    await fetch(`${url}/nested`, { headers: { ...headers, 'x-user': 'ann' } });
    const tracked = (await events()).find(({ event }) => event === 'outer')!;
    expect(tracked.properties).toMatchObject({ $session_id: 's-1', $request_route: '/nested' });
  });

  it('keeps changes made inside withContext inside it', async () => {
    const { url, events } = await start({ identity: undefined });
    await fetch(`${url}/nested`, { headers });
    const captured = await events();
    expect(captured.map(({ event, distinct_id, properties }) => [event, distinct_id, properties.depth])).toEqual([
      ['within', 'inner', 2],
      ['outer', 'browser', undefined],
    ]);
  });

  it('does not break when identity throws', async () => {
    const { url, lines } = await start({
      identity: () => {
        throw new Error('secret');
      },
    });
    for (let n = 0; n < 3; n += 1) expect((await fetch(`${url}/who`)).status).toBe(200);
    expect(lines.filter((line) => line.includes('identity'))).toHaveLength(1);
    expect(lines.join()).not.toContain('secret');
  });
});

it('keeps the context of a request on Fastify through a custom body parser', async () => {
  const { url, events } = await serve({
    adapter: 'fastify',
    controllers: [WhoController],
    prepare: (app) =>
      (app.getHttpAdapter().getInstance() as BodyParsers).addContentTypeParser(
        'text/plain',
        async (_request, payload) => {
          let by = '';
          for await (const part of payload) by += String(part);
          return { by };
        },
      ),
  });
  const headers = { 'content-type': 'text/plain', 'x-posthog-distinct-id': 'ann' };
  await fetch(`${url}/said`, { method: 'POST', headers, body: 'ann' });
  expect((await events()).map(({ distinct_id, properties }) => [distinct_id, properties.by])).toEqual([
    ['ann', undefined],
    ['ann', 'ann'],
  ]);
});

class Wish {
  @IsString()
  wish!: string;
}

@Controller()
class Messages {
  constructor(private readonly capture: CaptureService) {}

  /** Has no decorator of ours. */
  @MessagePattern('plain')
  plain(@Payload() data: object) {
    this.capture.context.set({ properties: { handled: true } });
    this.capture.capture({ event: 'plain' });
    return { context: this.capture.context.get(), data };
  }

  @MessagePattern('restored')
  @RestoreContext()
  restored(
    @Payload(new ValidationPipe({ whitelist: true, forbidNonWhitelisted: true, expectedType: Wish })) wish: Wish,
  ) {
    return { context: this.capture.context.get(), wish };
  }

  @MessagePattern('above')
  @TrackEvent('above')
  @RestoreContext()
  above() {
    return this.capture.context.get();
  }

  @MessagePattern('below')
  @RestoreContext()
  @TrackEvent('below')
  below() {
    return this.capture.context.get();
  }
}

@WebSocketGateway()
class Sockets {
  constructor(private readonly capture: CaptureService) {}

  @SubscribeMessage('plain')
  plain() {
    const before = this.capture.context.get();
    this.capture.context.set({ properties: { handled: true } });
    return { before, after: this.capture.context.get() };
  }
}

describe('the context of a message', () => {
  const startHybrid = async (posthog: ServeOptions['posthog'] = {}) => {
    const port = await freePort();
    const served = await serve({
      controllers: [Messages],
      providers: [Sockets],
      posthog,
      prepare: async (app) => {
        app.connectMicroservice({ transport: Transport.TCP, options: { host: '127.0.0.1', port } });
        await app.startAllMicroservices();
      },
    });
    const client = ClientProxyFactory.create({ transport: Transport.TCP, options: { host: '127.0.0.1', port } });
    onClose(() => Promise.resolve(client.close()));
    const send = <T>(pattern: string, data: object) => firstValueFrom(client.send<T>(pattern, data));
    return { ...served, send };
  };

  it('is separate for each message, with or without decorators, and never read from the payload', async () => {
    const { send, events } = await startHybrid({
      identity: ({ request }) => (request === undefined ? undefined : 'wrong'),
    });
    const payload = {
      user: { id: 'eve' },
      distinctId: 'eve',
      headers: { 'x-posthog-distinct-id': 'eve' },
      $posthog_context: { distinctId: 'eve' },
    };
    for (let n = 0; n < 2; n += 1) {
      expect(await send('plain', payload)).toEqual({ context: { properties: { handled: true } }, data: payload });
    }
    const captured = await events();
    expect(captured).toHaveLength(2);
    expect(captured[0]!.distinct_id).not.toBe(captured[1]!.distinct_id);
    for (const { properties } of captured)
      expect(properties).toMatchObject({ handled: true, $process_person_profile: false });
  });

  it('is the sender’s with @RestoreContext, and removed from the payload before pipes run', async () => {
    const { send, capture } = await startHybrid();
    const context = { distinctId: 'ann', sessionId: 's-1', groups: { company: 'acme' }, properties: { plan: 'pro' } };
    const data = capture.withContext(context, () => attachContext(capture, { wish: 'tea' }));
    expect(await send('restored', data)).toEqual({ context, wish: { wish: 'tea' } });
    expect(await send('restored', { wish: 'tea' })).toEqual({ context: {}, wish: { wish: 'tea' } });
  });

  it.each(['above', 'below'])('is restored with @TrackEvent %s @RestoreContext', async (pattern) => {
    const { send, capture, events } = await startHybrid();
    const data = capture.withContext({ distinctId: 'ann' }, () => attachContext(capture, {}));
    expect(await send(pattern, data)).toEqual({ distinctId: 'ann' });
    expect((await events()).map(({ event, distinct_id }) => [event, distinct_id])).toEqual([[pattern, 'ann']]);
  });

  it('is not opened when switched off', async () => {
    const { send, url } = await startHybrid({ context: false });
    expect(await send('plain', {})).toMatchObject({ context: {} });
    expect(await ask(url)).toEqual({ before: {}, after: {} });
  });

  it('has the headers of the handshake on a socket, and nothing of the previous message', async () => {
    const { url } = await startHybrid({ requestProperties: 'none' });
    for (let n = 0; n < 2; n += 1) {
      expect(await ask(url)).toEqual({
        before: { distinctId: 'ann' },
        after: { distinctId: 'ann', properties: { handled: true } },
      });
    }
  });

  async function ask(url: string): Promise<unknown> {
    const socket = io(url, { transports: ['websocket'], extraHeaders: { 'x-posthog-distinct-id': 'ann' } });
    onClose(() => Promise.resolve(socket.close()));
    return socket.emitWithAck('plain', {});
  }
});

describe('the context of a job', () => {
  it('is that of the user who queued it', async () => {
    const { capture } = await startAlone();
    const job = capture.withContext({ distinctId: 'ann' }, () => ({ data: attachContext(capture, { n: 1 }) }));
    expect(job.data).toEqual({ n: 1, $posthog_context: { distinctId: 'ann' } });
    const seen = capture.withContext({ distinctId: 'worker', properties: { left: 'over' } }, () => [
      withJobContext(capture, JSON.parse(JSON.stringify(job)) as typeof job, () => capture.context.get()),
      withJobContext(capture, { data: { n: 2 } }, () => capture.context.get()),
      withJobContext(capture, {}, () => capture.context.get()),
    ]);
    expect(seen).toEqual([{ distinctId: 'ann' }, {}, {}]);
  });

  it('requires the data to be an object', async () => {
    const { capture, lines } = await startAlone();
    expect(attachContext(capture, 'text')).toBe('text');
    expect(attachContext(capture, [1])).toEqual([1]);
    expect(lines.filter((line) => line.includes('attachContext'))).toHaveLength(1);
  });
});
