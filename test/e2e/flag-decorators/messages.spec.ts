import { credentials, type Client, loadPackageDefinition } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { Controller, type Type } from '@nestjs/common';
import {
  ClientProxyFactory,
  GrpcMethod,
  type GrpcOptions,
  MessagePattern,
  Payload,
  RpcException,
  Transport,
} from '@nestjs/microservices';
import { MessageBody, SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { attachContext, CaptureService, type Identity, RestoreContext } from 'nestjs-posthog-capture';
import { Flag, RequireFlag } from 'nestjs-posthog-capture/flags';
import { catchError, firstValueFrom, of } from 'rxjs';
import { io } from 'socket.io-client';
import { closeAll, onClose } from '../../support/harness.js';
import { freePort, serve, type ServeOptions } from '../../support/serve.js';
import { flagsOf, StandInClient } from '../../support/flag-client.js';

interface Message {
  /** The person, or something else that the handler returns. */
  text?: string;
}

interface ChatClient extends Client {
  say(message: Message, answer: (error: Error | null, message?: Message) => void): void;
}

@Controller()
class Messages {
  constructor(private readonly capture: CaptureService) {}

  @MessagePattern('guarded')
  @RequireFlag('beta')
  guarded(@Payload() { text }: Message, @Flag('color') color: unknown) {
    this.capture.capture({ event: 'reached' });
    return { text, color };
  }

  @MessagePattern('plain')
  plain() {
    this.capture.capture({ event: 'plain' });
    return {};
  }

  @MessagePattern('restored')
  @RestoreContext()
  @RequireFlag('beta')
  restored(@Payload() data: object, @Flag('color') color: unknown) {
    this.capture.capture({ event: 'reached' });
    return { fields: Object.keys(data), color };
  }

  @MessagePattern('own')
  @RequireFlag('beta', { otherwise: () => new RpcException('upgrade') })
  own() {
    return {};
  }

  @MessagePattern('hidden')
  @RequireFlag('beta', { otherwise: 'not_found' })
  hidden() {
    return {};
  }

  @GrpcMethod('Chat', 'Say')
  @RequireFlag('beta')
  say({ text }: Message) {
    this.capture.capture({ event: 'reached' });
    return { text: `heard ${text!}` };
  }
}

@WebSocketGateway()
@RequireFlag('sockets', { defaultValue: true })
class Sockets {
  constructor(private readonly capture: CaptureService) {}

  @SubscribeMessage('guarded')
  @RequireFlag('beta')
  guarded(@MessageBody() { text }: Message, @Flag('color') color: unknown) {
    this.capture.capture({ event: 'reached' });
    return { event: 'answer', data: { text, color } };
  }
}

/** The person of a message is in its payload; that of a socket in a header of its handshake. */
const identity: Identity = ({ transport, execution, request }) => {
  if (transport === 'ws') return (request as { headers: Record<string, string | undefined> }).headers['x-person'];
  return execution?.switchToRpc().getData<Message>().text;
};

const messageOf = (error: unknown): string => {
  if (error instanceof Error) return error.message;
  return String((error as { readonly message?: unknown } | null)?.message);
};

/** An application with TCP, gRPC and socket.io. */
async function hybrid(options: Pick<ServeOptions, 'posthog'> = {}) {
  const flags = new StandInClient();
  const port = await freePort();
  const grpc = `127.0.0.1:${await freePort()}`;
  const protoPath = 'test/e2e/tracking/chat.proto';
  const served = await serve({
    controllers: [Messages],
    providers: [Sockets],
    imports: [flagsOf(flags)],
    posthog: { identity, ...options.posthog },
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
  const { chat } = loadPackageDefinition(loadSync(protoPath)) as unknown as { chat: { Chat: Type<ChatClient> } };
  const talk = new chat.Chat(grpc, credentials.createInsecure());
  onClose(() => {
    client.close();
    talk.close();
    return Promise.resolve();
  });
  const send = (pattern: string, data: object): Promise<unknown> =>
    firstValueFrom(client.send<unknown>(pattern, data).pipe(catchError((error: unknown) => of(messageOf(error)))));
  return {
    ...served,
    flags,
    send,
    /** Each returns what the handler returned, or the message of the error. */
    ask: {
      TCP: (person: string) => send('guarded', { text: person }),
      gRPC: (person: string) =>
        new Promise<unknown>((resolve) =>
          talk.say({ text: person }, (error, message) => resolve(error === null ? message : error.message)),
        ),
      'socket.io': (person: string) => {
        const socket = io(served.url, {
          transports: ['websocket'],
          forceNew: true,
          extraHeaders: { 'x-person': person },
        });
        onClose(() => Promise.resolve(socket.close()));
        return new Promise<unknown>((resolve) => {
          socket.once('exception', (error) => resolve(messageOf(error)));
          socket.once('answer', resolve);
          socket.emit('guarded', { text: person });
        });
      },
    },
  };
}

afterEach(closeAll);

it.each([
  ['TCP', { text: 'ann', color: 'blue' }],
  ['gRPC', { text: 'heard ann' }],
  ['socket.io', { text: 'ann', color: 'blue' }],
] as const)('%s: messages of those pass for whom the flag is enabled', async (transport, answer) => {
  const { ask, flags, events } = await hybrid();
  flags.set('beta', 'on', 'ann');
  flags.set('color', 'blue', 'ann');
  expect(await ask[transport]('ann')).toEqual(answer);
  expect(await ask[transport]('bob')).toContain('Forbidden resource');
  // One question for each message: guards and parameters share the context that the handler runs in.
  expect(flags.asked).toEqual(['ann: beta color sockets', 'bob: beta color sockets']);
  const reached = await events('reached');
  expect(reached.map(({ distinct_id, properties }) => [distinct_id, properties['$feature/beta']])).toEqual([
    ['ann', 'on'],
  ]);
});

it('a message has nothing of the flags of another', async () => {
  const { send, flags, events } = await hybrid();
  flags.set('beta', true);
  await send('guarded', { text: 'ann' });
  await send('plain', { text: 'ann' });
  const [{ properties }] = (await events('plain')) as [Awaited<ReturnType<typeof events>>[number]];
  expect(Object.keys(properties).filter((name) => name.startsWith('$feature'))).toEqual([]);
});

it('@RestoreContext: the flags of the person whom the sender has set', async () => {
  const { send, flags, capture, events } = await hybrid({ posthog: { identity: () => undefined } });
  flags.set('beta', true, 'ann');
  flags.set('color', 'blue', 'ann');
  const data = capture.withContext({ distinctId: 'ann' }, () => attachContext(capture, { own: 1 }));
  expect(await send('restored', data)).toEqual({ fields: ['own'], color: 'blue' });
  expect(await send('restored', { own: 1 })).toBe('Forbidden resource');
  const [{ distinct_id, properties }] = (await events('reached')) as [Awaited<ReturnType<typeof events>>[number]];
  expect([distinct_id, properties['$feature/beta']]).toEqual(['ann', true]);
});

it('otherwise has no status outside of HTTP, but may return an error of the transport', async () => {
  const { send } = await hybrid();
  expect(await send('own', { text: 'ann' })).toBe('upgrade');
  expect(await send('hidden', { text: 'ann' })).toBe('Forbidden resource');
});

it('without contexts, the person of a message is known all the same', async () => {
  const { ask, flags } = await hybrid({ posthog: { context: false, tracingHeaders: false } });
  flags.set('beta', true, 'ann');
  flags.set('color', 'blue', 'ann');
  expect(await ask.TCP('ann')).toEqual({ text: 'ann', color: 'blue' });
  expect(await ask['socket.io']('ann')).toEqual({ text: 'ann', color: 'blue' });
  expect(await ask.TCP('bob')).toBe('Forbidden resource');
});
