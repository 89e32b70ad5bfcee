import { credentials, type Client, loadPackageDefinition } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import {
  type CanActivate,
  Catch,
  Controller,
  type ExceptionFilter,
  Get,
  NotFoundException,
  type PipeTransform,
  type Type,
  UseFilters,
  UseGuards,
  UsePipes,
} from '@nestjs/common';
import {
  BaseRpcExceptionFilter,
  ClientProxyFactory,
  EventPattern,
  type GrpcOptions,
  GrpcMethod,
  MessagePattern,
  Payload,
  RpcException,
  Transport,
} from '@nestjs/microservices';
import { BaseWsExceptionFilter, SubscribeMessage, WebSocketGateway, WsException } from '@nestjs/websockets';
import { attachContext, RestoreContext } from 'nestjs-posthog-capture';
import { catchError, firstValueFrom, of, throwError } from 'rxjs';
import { io } from 'socket.io-client';
import { closeAll, onClose } from '../../support/harness.js';
import { freePort, serve, type ServeOptions } from '../../support/serve.js';

afterEach(closeAll);

class FailingGuard implements CanActivate {
  canActivate(): boolean {
    throw new Error('guard');
  }
}

class FailingPipe implements PipeTransform {
  transform(): unknown {
    throw new Error('pipe');
  }
}

const later = (): Promise<void> => new Promise(setImmediate);

@Catch()
class AnsweringFilter implements ExceptionFilter {
  catch(error: Error) {
    return throwError(() => ({ answered: error.message }));
  }
}

@Catch()
class ExtendingFilter extends BaseRpcExceptionFilter {}

@Catch()
class ExtendingWsFilter extends BaseWsExceptionFilter {}

/** The patterns with the message of the error that is captured, or null. */
const MESSAGES: Readonly<Record<string, string | null>> = {
  sync: 'sync',
  async: 'async',
  observable: 'observable',
  guard: 'guard',
  pipe: 'pipe',
  filtered: 'filtered',
  extended: 'extended',
  expected: null,
  missing: null,
  fine: null,
};

@Controller()
class Messages {
  @MessagePattern('sync')
  sync() {
    throw new Error('sync');
  }

  @MessagePattern('async')
  async async() {
    await later();
    throw new Error('async');
  }

  @MessagePattern('observable')
  observable() {
    return throwError(() => new Error('observable'));
  }

  @MessagePattern('guard')
  @UseGuards(FailingGuard)
  guard() {
    return 'unreachable';
  }

  @MessagePattern('pipe')
  @UsePipes(FailingPipe)
  pipe(@Payload() data: unknown) {
    return data;
  }

  @MessagePattern('filtered')
  @UseFilters(AnsweringFilter)
  filtered() {
    throw new Error('filtered');
  }

  @MessagePattern('extended')
  @UseFilters(ExtendingFilter)
  extended() {
    throw new Error('extended');
  }

  @MessagePattern('expected')
  expected() {
    throw new RpcException('no');
  }

  @MessagePattern('missing')
  missing() {
    throw new NotFoundException();
  }

  @MessagePattern('fine')
  fine() {
    return 'fine';
  }

  @EventPattern('event')
  @RestoreContext()
  async event(data: { text?: string }) {
    await later();
    throw new Error(data.text ?? 'event');
  }

  @GrpcMethod('Chat', 'Say')
  say({ text }: { text: string }) {
    if (text === 'expected') throw new RpcException('no');
    throw new Error('of gRPC');
  }

  @Get('http')
  http() {
    throw new Error('of HTTP');
  }
}

@WebSocketGateway()
class Sockets {
  @SubscribeMessage('sync')
  sync() {
    throw new Error('sync');
  }

  @SubscribeMessage('async')
  async async() {
    await later();
    throw new Error('async');
  }

  @SubscribeMessage('observable')
  observable() {
    return throwError(() => new Error('observable'));
  }

  @SubscribeMessage('guard')
  @UseGuards(FailingGuard)
  guard() {
    return 'unreachable';
  }

  @SubscribeMessage('extended')
  @UseFilters(ExtendingWsFilter)
  extended() {
    throw new Error('extended');
  }

  @SubscribeMessage('expected')
  expected() {
    throw new WsException('no');
  }
}

const errorOf = (error: unknown): unknown =>
  error instanceof Error ? error.message : JSON.parse(JSON.stringify(error));

/** An application with HTTP, TCP, gRPC and socket.io. */
async function hybrid(options: Pick<ServeOptions, 'posthog' | 'without'>) {
  const port = await freePort();
  const grpc = `127.0.0.1:${await freePort()}`;
  const protoPath = 'test/e2e/tracking/chat.proto';
  const served = await serve({
    controllers: [Messages],
    providers: [Sockets],
    ...options,
    prepare: async (app) => {
      app.connectMicroservice({ transport: Transport.TCP, options: { host: '127.0.0.1', port } });
      app.connectMicroservice<GrpcOptions>({
        transport: Transport.GRPC,
        options: { package: 'chat', protoPath, url: grpc },
      });
      await app.startAllMicroservices();
    },
  });
  const client = ClientProxyFactory.create({ transport: Transport.TCP, options: { host: '127.0.0.1', port } });
  const { chat } = loadPackageDefinition(loadSync(protoPath)) as unknown as {
    chat: { Chat: Type<Client & { say(message: object, answer: (error: Error | null) => void): void }> };
  };
  const talk = new chat.Chat(grpc, credentials.createInsecure());
  onClose(() => {
    client.close();
    talk.close();
    return Promise.resolve();
  });
  const socket = io(served.url, { transports: ['websocket'], extraHeaders: { 'x-posthog-distinct-id': 'ann' } });
  onClose(() => Promise.resolve(socket.close()));
  return {
    ...served,
    client,
    send: (pattern: string) =>
      firstValueFrom(client.send<unknown>(pattern, {}).pipe(catchError((error: unknown) => of(errorOf(error))))),
    say: (text: string) =>
      new Promise<unknown>((resolve) => talk.say({ text }, (error) => resolve(error?.message ?? null))),
    ask: (message: string) =>
      new Promise<unknown>((resolve) => {
        socket.once('exception', resolve);
        socket.emit(message, {});
      }),
    /** Handler, message, source and transport of the captured errors, once there are so many. */
    caught: async (count: number) => {
      const errors = () => served.posthog.events.filter(({ event }) => event === '$exception');
      while (errors().length < count) await served.posthog.waitForEvents(served.posthog.events.length + 1);
      return (await served.events('$exception')).map(({ distinct_id, properties }) => ({
        person: properties.$process_person_profile === false ? null : distinct_id,
        seen: [
          properties.$handler,
          properties.$exception_message,
          properties.$exception_source,
          properties.$transport,
        ].join(' '),
        properties,
      }));
    },
  };
}

const sorted = (texts: readonly string[]): string[] => [...texts].sort();

it('messages of a hybrid application: one event per error, with the same answers', async () => {
  const plain = await hybrid({ without: true });
  const expected = await Promise.all(Object.keys(MESSAGES).map(plain.send));
  const { send, caught, client, capture, url } = await hybrid({ posthog: { exceptions: { limit: false } } });
  expect(await Promise.all(Object.keys(MESSAGES).map(send))).toEqual(expected);
  const data = capture.withContext({ distinctId: 'ann' }, () => attachContext(capture, {}));
  await firstValueFrom(client.emit('event', data));
  expect((await fetch(`${url}/http`)).status).toBe(500);
  const errors = await caught(9);
  expect(sorted(errors.map(({ seen }) => seen))).toEqual(
    sorted([
      ...Object.entries(MESSAGES)
        .filter(([, message]) => message !== null)
        .map(([pattern, message]) => `Messages.${pattern} ${message!} nestjs.rpc rpc`),
      'Messages.event event nestjs.rpc rpc',
      'Messages.http of HTTP nestjs.http http',
    ]),
  );
  expect(errors.find(({ seen }) => seen.includes('Messages.event'))!.person).toBe('ann');
  for (const { properties } of errors) expect(properties.$exception_list).toMatchObject([{ mechanism: {} }]);
});

it('gRPC: one event per error, with the same answers', async () => {
  const plain = await hybrid({ without: true });
  const texts = ['error', 'expected'];
  const expected = await Promise.all(texts.map(plain.say));
  const { say, caught } = await hybrid({ posthog: { exceptions: true } });
  expect(await Promise.all(texts.map(say))).toEqual(expected);
  expect((await caught(1)).map(({ seen }) => seen)).toEqual(['Messages.say of gRPC nestjs.rpc rpc']);
});

it('socket.io: one event per error, with the same answers', async () => {
  const plain = await hybrid({ without: true });
  const messages = ['sync', 'async', 'observable', 'guard', 'extended', 'expected'];
  const answersOf = async (ask: (message: string) => Promise<unknown>) => {
    const answers: unknown[] = [];
    for (const message of messages) answers.push(await ask(message));
    return answers;
  };
  const expected = await answersOf(plain.ask);
  const { ask, caught } = await hybrid({ posthog: { exceptions: true } });
  expect(await answersOf(ask)).toEqual(expected);
  const errors = await caught(5);
  expect(sorted(errors.map(({ seen }) => seen))).toEqual(
    sorted(messages.slice(0, -1).map((message) => `Sockets.${message} ${message} nestjs.websocket ws`)),
  );
  for (const { person } of errors) expect(person).toBe('ann');
});
