import { once } from 'node:events';
import { ApolloDriver, type ApolloDriverConfig } from '@nestjs/apollo';
import { type CanActivate, Catch, type ExceptionFilter, NotFoundException, UseGuards } from '@nestjs/common';
import { APP_FILTER } from '@nestjs/core';
import {
  Field,
  GraphQLModule,
  Int,
  Mutation,
  ObjectType,
  Parent,
  Query,
  ResolveField,
  Resolver,
} from '@nestjs/graphql';
import { WsAdapter } from '@nestjs/platform-ws';
import { SubscribeMessage, WebSocketGateway, WsException } from '@nestjs/websockets';
import { GraphQLError } from 'graphql';
import { WebSocket } from 'ws';
import { closeAll, onClose } from '../support/harness.js';
import { ADAPTERS, type AdapterName, serve, type ServeOptions } from '../support/serve.js';

afterEach(closeAll);

class FailingGuard implements CanActivate {
  canActivate(): boolean {
    throw new Error('guard');
  }
}

class DenyingGuard implements CanActivate {
  canActivate(): boolean {
    return false;
  }
}

@ObjectType()
class Book {
  @Field(() => Int)
  id!: number;
}

@Resolver(() => Book)
class Books {
  @Query(() => [Book])
  books(): Book[] {
    return [{ id: 1 }];
  }

  @Query(() => Int)
  failing(): number {
    throw new Error('query');
  }

  @Mutation(() => Int)
  async change(): Promise<number> {
    await new Promise(setImmediate);
    throw new Error('mutation');
  }

  @Query(() => Int, { nullable: true })
  @UseGuards(FailingGuard)
  guarded(): number {
    return 1;
  }

  @Query(() => Int, { nullable: true })
  @UseGuards(DenyingGuard)
  denied(): number {
    return 1;
  }

  @Query(() => Int, { nullable: true })
  missing(): number {
    throw new NotFoundException();
  }

  @Query(() => Int, { nullable: true })
  expected(): number {
    throw new GraphQLError('no', { extensions: { code: 'BAD_USER_INPUT' } });
  }

  @ResolveField(() => String, { nullable: true })
  title(@Parent() { id }: Book): string {
    throw new Error(`title ${id}`);
  }
}

/** Leaves the errors to the driver, as filters of GraphQL do. */
@Catch()
class ReturningFilter implements ExceptionFilter {
  catch(error: unknown): unknown {
    return error;
  }
}

const QUERIES = [
  '{ failing }',
  'mutation { change }',
  '{ guarded }',
  '{ books { title } }',
  '{ denied }',
  '{ missing }',
]
  // Errors of the client, one of the application and two of the language.
  .concat(['{ expected }', '{ nothing }', '{']);

const start = (adapter: AdapterName, options: Pick<ServeOptions, 'posthog' | 'without' | 'providers'>) =>
  serve({
    adapter,
    imports: [
      GraphQLModule.forRoot<ApolloDriverConfig>({
        driver: ApolloDriver,
        autoSchemaFile: true,
        includeStacktraceInErrorResponses: false,
      }),
    ],
    ...options,
    providers: [Books, ...(options.providers ?? [])],
  });

const answersOf = (url: string): Promise<unknown[]> =>
  Promise.all(
    QUERIES.map(async (query) => {
      const headers = { 'content-type': 'application/json', 'x-posthog-distinct-id': query };
      const response = await fetch(`${url}/graphql`, { method: 'POST', headers, body: JSON.stringify({ query }) });
      return { status: response.status, body: await response.text() };
    }),
  );

describe.each(ADAPTERS)('GraphQL on %s', (adapter) => {
  it.each([
    ['no filter', []],
    ['a filter', [{ provide: APP_FILTER, useClass: ReturningFilter }]],
  ])('with %s: one event per error, and the same responses', async (_name, providers) => {
    const plain = await start(adapter, { providers, without: true });
    const expected = await answersOf(plain.url);
    const { url, app, posthog } = await start(adapter, { providers, posthog: { exceptions: true } });
    expect(await answersOf(url)).toEqual(expected);
    await app.close();
    const seen = posthog.events.map(({ distinct_id, properties }) => [
      properties.$exception_message,
      properties.$handler,
      properties.$exception_source,
      properties.$transport,
      distinct_id,
    ]);
    expect(seen.sort((a, b) => String(a[0]).localeCompare(String(b[0])))).toEqual([
      ['guard', 'Books.guarded', 'nestjs.graphql', 'graphql', '{ guarded }'],
      ['mutation', 'Books.change', 'nestjs.graphql', 'graphql', 'mutation { change }'],
      ['query', 'Books.failing', 'nestjs.graphql', 'graphql', '{ failing }'],
      ['title 1', 'Books.title', 'nestjs.graphql', 'graphql', '{ books { title } }'],
    ]);
    expect(posthog.violations).toEqual([]);
  });
});

@WebSocketGateway()
class Sockets {
  @SubscribeMessage('sync')
  sync() {
    throw new Error('sync');
  }

  @SubscribeMessage('async')
  async async() {
    await new Promise(setImmediate);
    throw new Error('async');
  }

  @SubscribeMessage('expected')
  expected() {
    throw new WsException('no');
  }
}

it('the gateways of ws: one event per error, and the same answers', async () => {
  const startSockets = async (options: Pick<ServeOptions, 'posthog' | 'without'>) => {
    const served = await serve({
      providers: [Sockets],
      ...options,
      prepare: (app) => app.useWebSocketAdapter(new WsAdapter(app)),
    });
    const socket = new WebSocket(served.url.replace('http', 'ws'));
    await once(socket, 'open');
    onClose(() => {
      socket.terminate();
      return Promise.resolve();
    });
    const answers: unknown[] = [];
    for (const event of ['sync', 'async', 'expected']) {
      socket.send(JSON.stringify({ event, data: {} }));
      const [answer] = (await once(socket, 'message')) as [Buffer];
      answers.push(JSON.parse(answer.toString()));
    }
    return { ...served, answers };
  };
  const plain = await startSockets({ without: true });
  const { answers, events } = await startSockets({ posthog: { exceptions: true } });
  expect(answers).toEqual(plain.answers);
  expect(
    (await events()).map(({ properties }) => [
      properties.$handler,
      properties.$exception_message,
      properties.$exception_source,
      properties.$transport,
    ]),
  ).toEqual([
    ['Sockets.sync', 'sync', 'nestjs.websocket', 'ws'],
    ['Sockets.async', 'async', 'nestjs.websocket', 'ws'],
  ]);
});
