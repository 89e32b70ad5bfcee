import { ApolloDriver, type ApolloDriverConfig } from '@nestjs/apollo';
import { type CanActivate, type ExecutionContext, NotFoundException, UseGuards } from '@nestjs/common';
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
import { CaptureService, TrackEvent } from 'nestjs-posthog-capture';
import { Flag, RequireFlag } from 'nestjs-posthog-capture/flags';
import { closeAll } from '../support/harness.js';
import { ADAPTERS, serve } from '../support/serve.js';
import { flagsOf, StandInClient } from '../support/flag-client.js';

interface Request {
  headers: Record<string, string | undefined>;
  user?: string;
}

class Auth implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const { req } = context.getArgByIndex<{ req: Request }>(2);
    req.user = req.headers['x-user'];
    return true;
  }
}

@ObjectType()
class Book {
  @Field(() => Int)
  id!: number;
}

@Resolver(() => Book)
class BooksResolver {
  constructor(private readonly capture: CaptureService) {}

  @Query(() => [Book])
  @UseGuards(Auth)
  @RequireFlag('beta')
  @TrackEvent('books_listed')
  books(): Book[] {
    return [{ id: 1 }, { id: 2 }];
  }

  @Query(() => Int)
  @RequireFlag('hidden', { otherwise: 'not_found' })
  hidden(): number {
    return 1;
  }

  @Mutation(() => String)
  @UseGuards(Auth)
  colorOf(@Flag('color', { defaultValue: 'control' }) color: string): string {
    this.capture.capture({ event: 'colored' });
    return color;
  }

  @ResolveField(() => String)
  title(@Parent() { id }: Book, @Flag('color', { defaultValue: 'control' }) color: string): string {
    return `Book ${id} in ${color}`;
  }

  @ResolveField(() => String, { nullable: true })
  @RequireFlag('secrets')
  secret(): string {
    return 'secret';
  }
}

afterEach(closeAll);

describe.each(ADAPTERS)('flags of GraphQL on %s', (adapter) => {
  async function start(fieldResolverEnhancers: 'guards'[] = []) {
    const flags = new StandInClient();
    const served = await serve({
      adapter,
      imports: [
        flagsOf(flags),
        GraphQLModule.forRoot<ApolloDriverConfig>({
          driver: ApolloDriver,
          autoSchemaFile: true,
          fieldResolverEnhancers,
        }),
      ],
      providers: [BooksResolver],
      posthog: { identity: ({ request }) => (request as Request | undefined)?.user },
    });
    const ask = async (query: string, user: string) => {
      const response = await fetch(`${served.url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-user': user },
        body: JSON.stringify({ query }),
      });
      const { data, errors } = (await response.json()) as { data: unknown; errors?: { message: string }[] };
      return { data, errors: errors?.map(({ message }) => message) };
    };
    return { ...served, ask, flags };
  }

  it('queries, mutations and field resolvers have the flags of the user', async () => {
    const { ask, flags, events, lines } = await start(['guards']);
    flags.set('beta', 'on', 'ann');
    flags.set('color', 'blue', 'ann');
    expect(await ask('{ books { id title } }', 'ann')).toEqual({
      data: { books: [1, 2].map((id) => ({ id, title: `Book ${id} in blue` })) },
      errors: undefined,
    });
    // One question for the whole operation.
    expect(flags.asked).toEqual(['ann: beta color hidden secrets']);
    expect(await ask('{ books { id } }', 'bob')).toEqual({ data: null, errors: ['Forbidden resource'] });
    expect(await ask('{ books { id secret } }', 'ann')).toMatchObject({
      errors: ['Forbidden resource', 'Forbidden resource'],
    });
    expect(await ask('{ hidden }', 'ann')).toEqual({ data: null, errors: [new NotFoundException().message] });
    expect(await ask('mutation { colorOf }', 'ann')).toEqual({ data: { colorOf: 'blue' }, errors: undefined });
    expect(await ask('mutation { colorOf }', 'bob')).toEqual({ data: { colorOf: 'control' }, errors: undefined });
    const attached = (await events()).map(({ event, distinct_id, properties }) => [
      event,
      distinct_id,
      properties['$feature/beta'],
      properties['$feature/color'],
    ]);
    expect(attached).toEqual([
      ['books_listed', 'ann', 'on', undefined],
      ['books_listed', 'ann', 'on', undefined],
      ['colored', 'ann', undefined, 'blue'],
      ['colored', 'bob', undefined, undefined],
    ]);
    expect(lines.filter((line) => line.includes('has no effect'))).toEqual([]);
  });

  it('warns of a guarded field resolver where GraphQL runs no guards for fields', async () => {
    const { ask, flags, lines } = await start();
    flags.set('beta', true);
    expect(await ask('{ books { secret } }', 'ann')).toMatchObject({
      data: { books: [{ secret: 'secret' }, { secret: 'secret' }] },
    });
    expect(lines.filter((line) => line.includes('has no effect'))).toEqual([
      '@RequireFlag("secrets") on BooksResolver.secret() has no effect: add "guards" to fieldResolverEnhancers of GraphQLModule.',
    ]);
  });
});
