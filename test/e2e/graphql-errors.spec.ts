import { ApolloDriver, type ApolloDriverConfig } from '@nestjs/apollo';
import { Args, Field, GraphQLModule, Int, ObjectType, Query, ResolveField, Resolver } from '@nestjs/graphql';
import { type CanActivate, Catch, type ExceptionFilter, UseGuards } from '@nestjs/common';
import { APP_FILTER } from '@nestjs/core';
import { GraphQLError } from 'graphql';
import { closeAll } from '../support/harness.js';
import { serve } from '../support/serve.js';

afterEach(closeAll);

class UnknownBook extends Error {}
class BrokenShelf extends Error {}

class FailingGuard implements CanActivate {
  canActivate(): boolean {
    throw new Error('guard of a field');
  }
}

/** Has no resolver of its own for the field, which fails. */
class Row {
  get isbn(): string {
    throw new RangeError('column is missing');
  }
}

@ObjectType()
class Book {
  @Field(() => String, { nullable: true })
  isbn?: string;

  @Field(() => Int)
  pages!: number;
}

const anything = (value: unknown): unknown => value;

@Resolver(() => Book)
class Books {
  @Query(() => Book, { nullable: true })
  book(@Args('id', { type: () => Int }) id: number): Book {
    if (id === 0) throw new UnknownBook('no such book');
    if (id < 0) throw new BrokenShelf('the shelf broke');
    return Object.assign(new Row(), {}) as unknown as Book;
  }

  @Query(() => Int, { nullable: true })
  text(): number {
    throw anything('only text');
  }

  @ResolveField('title', () => String, { nullable: true })
  titleOf(): string {
    throw new TypeError('no title');
  }

  @ResolveField(() => String, { nullable: true })
  @UseGuards(FailingGuard)
  guarded(): string {
    return 'unreachable';
  }

  @ResolveField(() => String, { nullable: true })
  hidden(): string {
    throw new GraphQLError('not for you', { extensions: { code: 'FORBIDDEN' } });
  }
}

/** Makes an answer of the client of one error, and an error of its own of another. */
@Catch(UnknownBook, BrokenShelf)
class BooksFilter implements ExceptionFilter {
  catch(error: Error): unknown {
    const code = error instanceof UnknownBook ? 'NOT_FOUND' : 'INTERNAL_SERVER_ERROR';
    return new GraphQLError(`filtered: ${error.message}`, { extensions: { code } });
  }
}

/** A query, the messages that its client gets, and the errors that are captured, each with its handler. */
type Case = readonly [query: string, answered: unknown, captured: [message: string, handler?: string][]];

const CASES: readonly Case[] = [
  ['{ book(id: 1) { name: title } }', ['no title'], [['no title', 'Books.titleOf']]],
  ['{ book(id: 2) { guarded } }', ['guard of a field'], [['guard of a field', 'Books.guarded']]],
  // Fields without a resolver, and a result that does not fit the schema.
  ['{ book(id: 3) { isbn } }', ['column is missing'], [['column is missing']]],
  [
    '{ book(id: 4) { pages } }',
    [expect.stringContaining('non-nullable field Book.pages')],
    [['Cannot return null for non-nullable field Book.pages.']],
  ],
  ['{ text }', [expect.stringContaining('only text')], [['only text', 'Books.text']]],
  // Several of one operation.
  [
    '{ a: book(id: 5) { title isbn } text }',
    [expect.stringContaining('only text'), 'column is missing', 'no title'],
    [['column is missing'], ['no title', 'Books.titleOf'], ['only text', 'Books.text']],
  ],
  // Expected errors.
  ['{ book(id: 6) { hidden } }', ['not for you'], []],
  ['{ magazine { title } }', [expect.stringContaining('Cannot query field')], []],
  ['{ book(id: "one") { title } }', [expect.stringContaining('Int cannot represent')], []],
  ['{', [expect.stringContaining('Syntax Error')], []],
  // A filter decides with the error that it returns.
  ['{ book(id: 0) { title } }', ['filtered: no such book'], []],
  ['{ book(id: -1) { title } }', ['filtered: the shelf broke'], [['the shelf broke', 'Books.book']]],
];

it('each unexpected error of GraphQL is one event, also of fields that no exception filter sees', async () => {
  const { url, events, posthog } = await serve({
    posthog: { exceptions: { limit: false } },
    imports: [
      GraphQLModule.forRoot<ApolloDriverConfig>({
        driver: ApolloDriver,
        autoSchemaFile: true,
        fieldResolverEnhancers: ['guards'],
      }),
    ],
    providers: [Books, { provide: APP_FILTER, useClass: BooksFilter }],
  });
  for (const [query, answered] of CASES) {
    const headers = { 'content-type': 'application/json', 'x-posthog-distinct-id': query };
    const response = await fetch(`${url}/graphql`, { method: 'POST', headers, body: JSON.stringify({ query }) });
    const { errors } = (await response.json()) as { errors: { message: string }[] };
    expect([query, errors.map(({ message }) => message)]).toEqual([query, answered]);
  }
  const captured = await events();
  for (const [query, , expected] of CASES) {
    const own = captured.filter(({ distinct_id }) => distinct_id === query).map(({ properties }) => properties);
    const seen = own.map((properties) => [properties.$exception_message, properties.$handler]).sort();
    expect([query, seen]).toEqual([query, expected.map(([message, handler]) => [message, handler])]);
    for (const properties of own)
      expect(properties).toMatchObject({ $exception_source: 'nestjs.graphql', $transport: 'graphql' });
  }
  expect(posthog.violations).toEqual([]);
});
