import { describe, expect, it, jest } from '@jest/globals';
import { type CallSource, type OpenSource, type Transport } from '../../../lib/context/call-source.js';
import { CallInterpreter, type Identity, type InterpreterSettings } from '../../../lib/context/call-interpreter.js';
import { currentScope, openScope } from '../../../lib/context/context-scope.js';
import { ContextStorage } from '../../../lib/context/context-storage.js';

const HEADERS = { 'x-posthog-distinct-id': 'header', 'x-posthog-session-id': 'session' };
const failure = new Error('secret');
const boom = (): never => {
  throw failure;
};
const http = (request: object = { headers: HEADERS }): OpenSource => ({ transport: 'http', request });

function interpreter(settings: Partial<InterpreterSettings> = {}) {
  const warnings: string[] = [];
  const defaults = {
    tracingHeaders: true,
    posthogCookie: false,
    apiKey: 'phc_key',
    requestProperties: 'none' as const,
  };
  const made = new CallInterpreter({ ...defaults, ...settings }, (warning) => warnings.push(warning));
  return { made, warnings, contexts: new ContextStorage((warning) => warnings.push(warning), made) };
}

/** An identity that returns these values, one per call. */
const identityReturning = (...answers: unknown[]) => jest.fn(() => answers.shift()) as jest.Mock<Identity>;

describe('identity', () => {
  it('is not called before an event needs it', () => {
    const identity = identityReturning('ann');
    const { made, contexts } = interpreter({ identity, requestProperties: 'route' });
    const source = http();
    currentScope.run(openScope(undefined, {}, source), () => {
      contexts.set({ properties: { a: 1 } });
      contexts.run({ sessionId: 's' }, () => contexts.personlessId());
      made.requestPropertiesOf(source);
    });
    expect(identity).not.toHaveBeenCalled();
  });

  it('is called once per call, with the source of that call', () => {
    const identity = jest.fn<Identity>(({ request }) => (request as { id: string }).id);
    const { made } = interpreter({ identity });
    const [one, two] = [http({ id: 'ann' }), http({ id: 'bob' })];
    for (let time = 0; time < 3; time += 1) {
      expect(made.personOf(one)).toEqual({ distinctId: 'ann' });
      expect(made.personOf(two)).toEqual({ distinctId: 'bob' });
    }
    expect(identity.mock.calls).toEqual([[one], [two]]);
    expect(identity.mock.calls[0]![0]).toBe(one);
  });

  it('is called once by each instance', () => {
    const [identity, other] = [identityReturning('ann'), identityReturning('bob')];
    const source = http();
    const [one, two] = [interpreter({ identity }).made, interpreter({ identity: other }).made];
    for (let time = 0; time < 2; time += 1)
      expect([one.personOf(source).distinctId, two.personOf(source).distinctId]).toEqual(['ann', 'bob']);
    expect([identity.mock.calls.length, other.mock.calls.length]).toEqual([1, 1]);
  });

  it.each([undefined, null])('that returns %p is called again, until it returns a user', (unknown) => {
    const identity = identityReturning(unknown, unknown, 'ann', 'bob');
    const { made, warnings } = interpreter({ identity });
    const source = http();
    expect([1, 2, 3, 4].map(() => made.personOf(source).distinctId)).toEqual([undefined, undefined, 'ann', 'ann']);
    expect(identity).toHaveBeenCalledTimes(3);
    expect(warnings).toEqual([]);
  });

  it('returns a user once the handler is known', () => {
    const { made } = interpreter({ identity: ({ execution }) => (execution === undefined ? undefined : 'ann') });
    const source = http();
    expect(made.personOf(source).distinctId).toBeUndefined();
    source.execution = {} as NonNullable<CallSource['execution']>;
    expect(made.personOf(source).distinctId).toBe('ann');
  });

  it.each<[string, unknown, object]>([
    ['a string', 'ann', { distinctId: 'ann' }],
    ['a string with blanks', ' ann ', { distinctId: 'ann' }],
    ['a number', 12, { distinctId: '12' }],
    ['an empty context', {}, {}],
    [
      'a context',
      { distinctId: 5, sessionId: 's', groups: { company: 1 }, properties: { plan: 'pro' }, optedOut: true },
      { distinctId: '5', sessionId: 's', groups: { company: '1' }, properties: { plan: 'pro' }, optedOut: true },
    ],
    ['a context without a person', { groups: { company: 'acme' } }, { groups: { company: 'acme' } }],
  ])('may return %s, which is final', (_name, answer, expected) => {
    const identity = identityReturning(answer, 'somebody else');
    const { made, warnings } = interpreter({ identity });
    const source = http({});
    for (let time = 0; time < 2; time += 1) expect(made.personOf(source)).toStrictEqual(expected);
    expect(identity).toHaveBeenCalledTimes(1);
    expect(warnings).toEqual([]);
  });

  it.each<[string, unknown, object]>([
    ['a blank string', ' ', {}],
    ['NaN', NaN, {}],
    ['true', true, {}],
    ['a function', boom, {}],
    ['an array', ['ann'], {}],
    ['a long string', 'x'.repeat(201), {}],
    [
      'a person that is an object',
      { distinctId: { id: 'ann' }, groups: { company: 'acme' } },
      { groups: { company: 'acme' } },
    ],
    [
      'a bad group',
      { distinctId: 'ann', groups: { company: 'acme', team: {} } },
      { distinctId: 'ann', groups: { company: 'acme' } },
    ],
    ['a context that throws', Object.defineProperty({}, 'distinctId', { get: boom }), {}],
    ['a proxy that throws', new Proxy({}, { get: boom, getPrototypeOf: boom, ownKeys: boom }), {}],
    ['another spelling', { distinct_id: 'ann' }, {}],
  ])('that returns %s causes one warning, and its valid parts are used', (_name, answer, expected) => {
    const { made, warnings } = interpreter({ identity: identityReturning(answer) });
    const source = http({});
    for (let time = 0; time < 2; time += 1) expect(made.personOf(source)).toStrictEqual(expected);
    expect(warnings).toEqual([expect.stringMatching(/^identity: /)]);
    expect(warnings[0]).not.toContain('secret');
  });

  it.each<[string, Identity, RegExp]>([
    ['throws', boom, /identity threw/],
    ['returns a promise', (() => Promise.resolve('ann')) as never, /returned a promise/],
    ['returns a promise that rejects', (() => Promise.reject(failure)) as never, /returned a promise/],
    ['is asynchronous', (() => Promise.resolve().then(boom)) as never, /returned a promise/],
  ])('that %s makes the call anonymous and logs a warning', async (_name, identity, expected) => {
    const { made, warnings } = interpreter({ identity });
    const source = http();
    expect(made.personOf(source)).toEqual({ sessionId: 'session' });
    expect(warnings).toEqual([expect.stringMatching(expected)]);
    expect(warnings[0]).not.toContain('secret');
    // An unhandled rejection would fail the test here.
    await new Promise(setImmediate);
    expect(made.personOf(source)).toEqual({ sessionId: 'session' });
  });

  it('that captures an event itself is not called recursively', () => {
    let calls = 0;
    const { contexts } = interpreter({
      identity: () => {
        calls += 1;
        return contexts.get().distinctId ?? 'ann';
      },
    });
    currentScope.run(openScope(undefined, {}, http()), () => {
      expect(contexts.get()).toEqual({ distinctId: 'ann', sessionId: 'session' });
      expect(contexts.get()).toEqual({ distinctId: 'ann', sessionId: 'session' });
    });
    expect(calls).toBe(1);
  });

  it.each<[Transport, boolean]>([
    ['http', true],
    ['graphql', true],
    ['rpc', true],
    ['ws', true],
    ['provider', false],
  ])('is called for transport %s: %p', (transport, isCalled) => {
    const identity = identityReturning('ann');
    const { made } = interpreter({ identity });
    expect(made.personOf({ transport }).distinctId).toBe(isCalled ? 'ann' : undefined);
    expect(identity).toHaveBeenCalledTimes(isCalled ? 1 : 0);
  });
});

describe('precedence', () => {
  const identity = (): ReturnType<Identity> => ({ distinctId: 'identity', groups: { a: 'identity', b: 'identity' } });
  const within = (settings: Partial<InterpreterSettings>, own: object, source = http()) => {
    const { contexts } = interpreter(settings);
    return currentScope.run(openScope(undefined, {}, source), () => contexts.run(own, () => contexts.get()));
  };

  it('code overrides identity, identity overrides the headers', () => {
    expect(within({}, {})).toEqual({ distinctId: 'header', sessionId: 'session' });
    expect(within({ identity }, {})).toEqual({
      distinctId: 'identity',
      sessionId: 'session',
      groups: { a: 'identity', b: 'identity' },
    });
    expect(within({ identity }, { distinctId: 'code', sessionId: 'code', groups: { b: 'code' } })).toEqual({
      distinctId: 'code',
      sessionId: 'code',
      groups: { a: 'identity', b: 'code' },
    });
    expect(within({ identity: () => ({ sessionId: 'identity' }) }, {})).toEqual({ sessionId: 'identity' });
  });

  it('headers are not trusted even when identity returns no user', () => {
    for (const nobody of [() => undefined, boom, () => ({}), () => ' '])
      expect(within({ identity: nobody }, {})).toEqual({ sessionId: 'session' });
  });

  it('properties set by code override those of identity, which override those of the request', () => {
    const request = { headers: { 'user-agent': 'request' }, method: 'GET' };
    const settings: Partial<InterpreterSettings> = {
      identity: () => ({ properties: { $user_agent: 'identity', $request_method: 'identity', plan: 'identity' } }),
      requestProperties: 'route',
    };
    expect(within(settings, { properties: { plan: 'code' } }, http(request)).properties).toEqual({
      $user_agent: 'identity',
      $request_method: 'identity',
      plan: 'code',
    });
    expect(within({ ...settings, identity: undefined }, {}, http(request)).properties).toEqual({
      $user_agent: 'request',
      $request_method: 'GET',
    });
  });

  it('an opt-out by identity applies, unless code overrides it', () => {
    expect(within({ identity: () => ({ distinctId: 'ann', optedOut: true }) }, {}).optedOut).toBe(true);
    expect(within({ identity: () => ({ distinctId: 'ann', optedOut: true }) }, { optedOut: false }).optedOut).toBe(
      false,
    );
  });

  it('returns the same object until more is known of the call', () => {
    const { made } = interpreter({ identity: identityReturning(undefined, undefined, 'ann') });
    const source = http();
    const before = made.personOf(source);
    expect(made.personOf(source)).toBe(before);
    const after = made.personOf(source);
    expect(after).toEqual({ distinctId: 'ann', sessionId: 'session' });
    expect(made.personOf(source)).toBe(after);
  });
});

describe('request properties', () => {
  const request = {
    method: 'POST',
    originalUrl: '/shop/items/7?token=secret#top',
    url: '/items/7?token=secret',
    baseUrl: '/shop',
    protocol: 'https',
    ip: '203.0.113.9',
    route: { path: '/items/:id' },
    headers: { host: 'shop.example', 'user-agent': 'agent', 'x-forwarded-for': '198.51.100.1' },
  };
  const route = { $request_method: 'POST', $request_route: '/shop/items/:id', $user_agent: 'agent' };
  const url = { ...route, $request_path: '/shop/items/7', $current_url: 'https://shop.example/shop/items/7' };
  const ip = { $ip: '203.0.113.9' };
  const read = (sets: InterpreterSettings['requestProperties'], of: object | undefined = request) =>
    interpreter({ requestProperties: sets }).made.requestPropertiesOf(http(of));

  it.each<[InterpreterSettings['requestProperties'], object | undefined]>([
    ['route', route],
    ['url', url],
    ['ip', ip],
    ['none', undefined],
    [[], undefined],
    [['none'], undefined],
    [['route', 'ip'], { ...route, ...ip }],
    [['url', 'route'], url],
    [['ip', 'none', 'url'], { ...url, ...ip }],
  ])('%p', (sets, expected) => {
    expect(read(sets)).toEqual(expected);
    expect(JSON.stringify(read(sets) ?? {})).not.toContain('secret');
  });

  it.each<[string, object]>([
    ['no fields', {}],
    ['only invalid fields', { method: 7, url: null, headers: 'none', route: 'x', ip: {}, protocol: [] }],
  ])('are empty for a request with %s', (_name, of) => {
    expect(read(['url', 'ip'], of)).toEqual({});
  });

  it('are read from Fastify’s request', () => {
    const { originalUrl, ...rest } = request;
    expect(
      read('url', {
        ...rest,
        route: undefined,
        baseUrl: undefined,
        url: originalUrl,
        routeOptions: { url: '/shop/items/:id' },
      }),
    ).toEqual(url);
  });

  it('omit the URL without a host, and truncate the user agent to 1000 characters', () => {
    const of = { ...request, headers: { 'user-agent': 'x'.repeat(5000) } };
    expect(read('url', of)).toEqual({
      ...route,
      $request_path: '/shop/items/7',
      $user_agent: 'x'.repeat(1000),
    });
  });

  it('are undefined for a call without a request', () => {
    const { made } = interpreter({ requestProperties: ['url', 'ip'] });
    expect(made.requestPropertiesOf({ transport: 'rpc' })).toBeUndefined();
  });

  it('are read again when the route becomes known, and are the same object otherwise', () => {
    const { made } = interpreter({ requestProperties: 'route' });
    const open: Record<string, unknown> = { ...request, route: undefined };
    const source = http(open);
    const before = made.requestPropertiesOf(source);
    expect(before).toEqual({ $request_method: 'POST', $user_agent: 'agent' });
    expect(made.requestPropertiesOf(source)).toBe(before);
    open.route = request.route;
    expect(made.requestPropertiesOf(source)).toEqual(route);
    expect(made.requestPropertiesOf(source)).toBe(made.requestPropertiesOf(source));
  });

  it('are omitted with a warning when the request cannot be read', () => {
    const { made, warnings } = interpreter({ requestProperties: ['route', 'ip'] });
    const source = http(Object.defineProperty({ ...request }, 'ip', { get: boom }));
    expect(made.requestPropertiesOf(source)).toBeUndefined();
    expect(warnings).toEqual([expect.stringContaining('the request could not be read')]);
  });
});

describe('an unreadable request', () => {
  const traps = { get: boom, has: boom, getPrototypeOf: boom, ownKeys: boom, getOwnPropertyDescriptor: boom };

  it.each<[string, object]>([
    ['a proxy', new Proxy({}, traps)],
    ['headers that throw', Object.defineProperty({}, 'headers', { get: boom })],
    ['headers that are such a proxy', { headers: new Proxy({}, traps) }],
    ['a route that throws', Object.defineProperty({}, 'route', { get: boom })],
    ['a path that throws', { route: Object.defineProperty({}, 'path', { get: boom }) }],
  ])('does not throw into the capture call: %s', (_name, request) => {
    const { contexts, warnings } = interpreter({ requestProperties: ['url', 'ip'] });
    currentScope.run(openScope(undefined, { distinctId: 'code' }, http(request)), () => {
      expect(contexts.get()).toMatchObject({ distinctId: 'code' });
    });
    expect(warnings.length).toBeGreaterThan(0);
    expect(warnings.join()).not.toContain('secret');
  });
});
