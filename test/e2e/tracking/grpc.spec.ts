import { credentials, type Client, loadPackageDefinition, Metadata, type ServerDuplexStream } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { Controller } from '@nestjs/common';
import { type GrpcOptions, GrpcMethod, GrpcStreamCall, GrpcStreamMethod, Transport } from '@nestjs/microservices';
import { CaptureService, TrackEvent } from 'nestjs-posthog-capture';
import { count, map, type Observable } from 'rxjs';
import { closeAll, onClose } from '../../support/harness.js';
import { freePort, serve } from '../../support/serve.js';

afterEach(closeAll);

interface Message {
  text: string;
}

type Call = ServerDuplexStream<Message, Message>;

const PROTO = 'test/e2e/tracking/chat.proto';

const echo = (call: Call): void => {
  call.on('data', ({ text }: Message) => call.write({ text: `echo ${text}` }));
  call.on('end', () => call.end());
};

@Controller()
class Chat {
  constructor(private readonly capture: CaptureService) {}

  @GrpcMethod('Chat', 'Say')
  @TrackEvent('said', { properties: ({ result }) => ({ answer: (result as Message).text }) })
  say({ text }: Message): Message {
    this.capture.context.set({ distinctId: 'ann' });
    return { text: `heard ${text}` };
  }

  @GrpcStreamMethod('Chat', 'Count')
  @TrackEvent('counted')
  count(messages: Observable<Message>): Observable<Message> {
    return messages.pipe(
      count(),
      map((number) => ({ text: String(number) })),
    );
  }

  /** Has no decorator of ours. */
  @GrpcStreamCall('Chat', 'Talk')
  talk(call: Call): void {
    echo(call);
  }

  @GrpcStreamCall('Chat', 'Tell')
  @TrackEvent('told')
  tell(call: Call): void {
    this.capture.capture({ event: 'telling' });
    echo(call);
  }
}

interface Streams {
  say(message: Message, answer: (error: Error | null, message?: Message) => void): void;
  count(answer: (error: Error | null, message?: Message) => void): { write(message: Message): void; end(): void };
  talk(metadata: Metadata): Call;
  tell(metadata: Metadata): Call;
}

async function start() {
  const url = `127.0.0.1:${await freePort()}`;
  const options: GrpcOptions['options'] = { package: 'chat', protoPath: PROTO, url };
  const served = await serve({
    controllers: [Chat],
    prepare: async (app) => {
      app.connectMicroservice<GrpcOptions>({ transport: Transport.GRPC, options });
      await app.startAllMicroservices();
    },
  });
  const { chat } = loadPackageDefinition(loadSync(PROTO)) as unknown as {
    chat: { Chat: new (...args: ConstructorParameters<typeof Client>) => Client & Streams };
  };
  const client = new chat.Chat(url, credentials.createInsecure());
  onClose(() => {
    client.close();
    return Promise.resolve();
  });
  return { ...served, client };
}

/** The response of a stream to one message. */
const answered = (call: Call, text: string): Promise<string> =>
  new Promise((resolve, reject) => {
    let answer = '';
    call.on('data', (message: Message) => (answer += message.text));
    call.on('end', () => resolve(answer));
    call.on('error', reject);
    call.write({ text });
    call.end();
  });

const single = (ask: (answer: (error: Error | null, message?: Message) => void) => void): Promise<string | undefined> =>
  new Promise((resolve, reject) => ask((error, message) => (error === null ? resolve(message?.text) : reject(error))));

it('tracks unary and streaming methods like other calls', async () => {
  const { client, events } = await start();
  expect(await single((answer) => client.say({ text: 'hi' }, answer))).toBe('heard hi');
  const sum = await single((answer) => {
    const call = client.count(answer);
    call.write({ text: 'a' });
    call.write({ text: 'b' });
    call.end();
  });
  expect(sum).toBe('2');
  expect(await events()).toMatchObject([
    { event: 'said', distinct_id: 'ann', properties: { answer: 'heard hi', $transport: 'rpc', $outcome: 'success' } },
    { event: 'counted', properties: { $transport: 'rpc', $outcome: 'success' } },
  ]);
});

it('a @GrpcStreamCall handler runs with any decorator, and is one call', async () => {
  const { client, events } = await start();
  expect(await answered(client.talk(new Metadata()), 'a')).toBe('echo a');
  expect(await answered(client.tell(new Metadata()), 'b')).toBe('echo b');
  const said = await events();
  expect(said).toMatchObject([
    { event: 'telling' },
    { event: 'told', properties: { $transport: 'rpc', $outcome: 'success' } },
  ]);
  expect(said[0]?.distinct_id).toBe(said[1]?.distinct_id);
});

it('binds no interceptor to a @GrpcStreamCall handler, because Nest 10 would not run it', async () => {
  await start();
  for (const handler of ['talk', 'tell'] as const)
    expect(Reflect.getMetadata('__interceptors__', Reflect.get(Chat.prototype, handler) as object) ?? []).toEqual([]);
});
