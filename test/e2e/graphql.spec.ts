import { ApolloDriver, type ApolloDriverConfig } from '@nestjs/apollo';
import { Field, GraphQLModule, Int, ObjectType, Parent, Query, ResolveField, Resolver } from '@nestjs/graphql';
import { CaptureService, TrackEvent } from 'nestjs-posthog-capture';
import { closeAll } from '../support/harness.js';
import { ADAPTERS, serve } from '../support/serve.js';

@ObjectType()
class Book {
  @Field(() => Int)
  id!: number;
}

@Resolver(() => Book)
class BooksResolver {
  constructor(private readonly capture: CaptureService) {}

  @Query(() => [Book])
  @TrackEvent('books_listed', { on: 'any', properties: ({ result }) => ({ books: (result as Book[]).length }) })
  books(): Book[] {
    return [{ id: 1 }, { id: 2 }, { id: 3 }];
  }

  @Query(() => Int)
  count(): number {
    this.capture.capture({ event: 'counted' });
    return 3;
  }

  @ResolveField(() => String)
  @TrackEvent('title_resolved', { on: 'any' })
  title(@Parent() { id }: Book): string {
    return `Book ${id}`;
  }
}

afterEach(closeAll);

describe.each(ADAPTERS)('GraphQL on %s', (adapter) => {
  it.each([[[]], [['interceptors']]] as ['interceptors'[]][])(
    'is captured per operation and never per field, with %j for fields',
    async (fieldResolverEnhancers) => {
      const { url, events, lines } = await serve({
        adapter,
        imports: [
          GraphQLModule.forRoot<ApolloDriverConfig>({
            driver: ApolloDriver,
            autoSchemaFile: true,
            fieldResolverEnhancers,
          }),
        ],
        providers: [BooksResolver],
      });
      const response = await fetch(`${url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-posthog-distinct-id': 'ann' },
        body: JSON.stringify({ query: '{ books { id title } count }' }),
      });
      expect(await response.json()).toEqual({
        data: { books: [1, 2, 3].map((id) => ({ id, title: `Book ${id}` })), count: 3 },
      });
      const captured = await events();
      expect(captured.map(({ event, distinct_id }) => [event, distinct_id]).sort()).toEqual([
        ['books_listed', 'ann'],
        ['counted', 'ann'],
      ]);
      expect(captured.find(({ event }) => event === 'books_listed')!.properties).toMatchObject({
        books: 3,
        $transport: 'graphql',
        $outcome: 'success',
      });
      expect(lines.filter((line) => line.includes('field resolver title()'))).toHaveLength(1);
    },
  );
});
