import { Controller, Get } from '@nestjs/common';
import { ApolloDriver, type ApolloDriverConfig } from '@nestjs/apollo';
import { GraphQLModule, Int, Query, Resolver } from '@nestjs/graphql';
import { CaptureService } from 'nestjs-posthog-capture';
import { closeAll, KEY } from '../support/harness.js';
import { ADAPTERS, serve, type Served, type ServeOptions } from '../support/serve.js';

@Controller()
class PageController {
  constructor(private readonly capture: CaptureService) {}

  @Get('page')
  page(): object {
    this.capture.capture({ event: 'http' });
    return {};
  }
}

@Resolver()
class CountResolver {
  constructor(private readonly capture: CaptureService) {}

  @Query(() => Int)
  count(): number {
    this.capture.capture({ event: 'graphql' });
    return 3;
  }
}

afterEach(closeAll);

const cookie = (state: object = {}): string => {
  const now = Date.now();
  const whole = { distinct_id: 'ann', $user_state: 'identified', $sesid: [now - 1000, 's-1', now - 5000], ...state };
  return `theme=dark; ph_${KEY}_posthog=${encodeURIComponent(JSON.stringify(whole))}`;
};

describe.each(ADAPTERS)('option posthogCookie on %s', (adapter) => {
  const start = (posthog: ServeOptions['posthog']): Promise<Served> =>
    serve({
      adapter,
      imports: [GraphQLModule.forRoot<ApolloDriverConfig>({ driver: ApolloDriver, autoSchemaFile: true })],
      controllers: [PageController],
      providers: [CountResolver],
      posthog: { ...posthog },
    });

  /** Person and session of an event over HTTP and of one over GraphQL; undefined for an event without a person. */
  const send = async ({ url, events }: Served, headers: Record<string, string>): Promise<unknown[]> => {
    await fetch(`${url}/page`, { headers });
    await fetch(`${url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ query: '{ count }' }),
    });
    return (await events()).map(({ distinct_id: id, properties }) => [
      properties.$process_person_profile === false ? undefined : id,
      properties.$session_id,
    ]);
  };
  const both = (person: string | undefined, session?: string): unknown[] => [
    [person, session],
    [person, session],
  ];

  it('gives person and session of the browser, over HTTP and GraphQL', async () => {
    expect(await send(await start({ posthogCookie: true }), { cookie: cookie() })).toEqual(both('ann', 's-1'));
  });

  it('is off by default', async () => {
    expect(await send(await start({}), { cookie: cookie() })).toEqual(both(undefined));
  });

  it('gives the session only of an anonymous browser, and where there is an identity', async () => {
    const anonymous = cookie({ $user_state: 'anonymous' });
    expect(await send(await start({ posthogCookie: true }), { cookie: anonymous })).toEqual(both(undefined, 's-1'));
    const identified = await start({ posthogCookie: true, identity: () => ({ properties: { a: 1 } }) });
    expect(await send(identified, { cookie: cookie() })).toEqual(both(undefined, 's-1'));
  });

  it('gives nothing if the user refused, and nothing beside tracing headers', async () => {
    const refused = `__ph_opt_in_out_${KEY}=0; ${cookie()}`;
    expect(await send(await start({ posthogCookie: true }), { cookie: refused })).toEqual(both(undefined));
    const beside = { cookie: cookie(), 'x-posthog-session-id': 's-2' };
    expect(await send(await start({ posthogCookie: true }), beside)).toEqual(both(undefined, 's-2'));
  });

  it('is read whatever the headers are if tracingHeaders is off', async () => {
    const served = await start({ posthogCookie: true, tracingHeaders: false });
    expect(await send(served, { cookie: cookie(), 'x-posthog-distinct-id': 'bob' })).toEqual(both('ann', 's-1'));
  });

  it('cuts an id that is too long, with a warning', async () => {
    const served = await start({ posthogCookie: true });
    expect(await send(served, { cookie: cookie({ distinct_id: 'x'.repeat(300) }) })).toEqual(
      both('x'.repeat(200), 's-1'),
    );
    expect(served.lines.filter((line) => line.includes('was cut'))).toHaveLength(1);
  });
});

describe.each(['v0', 'v1'] as const)('a tracing header that is too long, with %s', (captureMode) => {
  it.each([201, 1000])('is cut to 200 of %d characters, with a warning', async (length) => {
    const served = await serve({ controllers: [PageController], posthog: { captureMode } });
    await fetch(`${served.url}/page`, { headers: { 'x-posthog-distinct-id': 'x'.repeat(length) } });
    expect((await served.events()).map(({ distinct_id: id }) => id)).toEqual(['x'.repeat(200)]);
    expect(served.lines).toEqual([expect.stringContaining('longer than 200 bytes and was cut')]);
  });
});
