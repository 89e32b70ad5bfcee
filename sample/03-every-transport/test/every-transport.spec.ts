import { once } from 'node:events';
import { type AddressInfo } from 'node:net';
import { type INestApplication } from '@nestjs/common';
import { type ClientOptions, type ClientProxy, ClientProxyFactory, Transport } from '@nestjs/microservices';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { attachContext, CaptureService } from 'nestjs-posthog-capture';
import { type CaptureRecorder, overrideCapture, type RecordedEvent } from 'nestjs-posthog-capture/testing';
import 'nestjs-posthog-capture/testing/jest';
import { firstValueFrom, lastValueFrom } from 'rxjs';
import { io, type Socket } from 'socket.io-client';
import { WebSocket } from 'ws';
import { AppModule } from '../src/app.module.js';
import { connect } from '../src/create-app.js';
import { freePort, hasRedis, startRedis } from './redis.js';

const CALLS = 60;
/** A busy machine may be slow. */
const PATIENT = { timeoutMs: 60_000 };
const NUMBERS = Array.from({ length: CALLS }, (_, n) => n);
const withRedis = hasRedis ? describe : describe.skip;
if (!hasRedis) console.warn('Skipped: jobs, and messages over Redis. There is no redis-server on this machine.');

let redis: Awaited<ReturnType<typeof startRedis>> | undefined;
beforeAll(async () => {
  if (hasRedis) redis = await startRedis();
});
afterAll(() => redis?.stop());

describe.each([
  ['express', 'socket.io'],
  ['fastify', 'ws'],
] as const)('one application on %s and %s', (http, sockets) => {
  let recorder: CaptureRecorder;
  let app: INestApplication;
  let capture: CaptureService;
  let url: string;
  let tcp: number;

  beforeAll(async () => {
    tcp = await freePort();
    const ports = { tcp, redis: redis?.port };
    const builder = Test.createTestingModule({ imports: [AppModule.for(ports)] });
    recorder = overrideCapture(builder);
    const module = await builder.compile();
    const quiet = { logger: false } as const;
    app =
      http === 'express'
        ? module.createNestApplication(quiet)
        : module.createNestApplication(new FastifyAdapter(), quiet);
    await connect(app, { sockets, ...ports });
    await app.listen(0, '127.0.0.1');
    url = `http://127.0.0.1:${((app.getHttpServer() as { address(): unknown }).address() as AddressInfo).port}`;
    capture = app.get(CaptureService);
  });
  afterEach(() => recorder.clear());
  afterAll(() => app.close());

  /** All events except those of schedules. */
  const events = (): RecordedEvent[] =>
    recorder.events.filter(({ event }) => event !== 'digest_sent' && event !== 'reminder_sent');
  /** Waits for the events of all calls: some are captured after the response. */
  const allEvents = async (names: readonly string[]): Promise<RecordedEvent[]> => {
    await Promise.all(names.map((name) => recorder.waitFor(name, { count: CALLS, ...PATIENT })));
    return events();
  };
  /** Expects exactly these events for each person, about their own order. */
  const expectOwn = (captured: readonly RecordedEvent[], names: readonly string[], more: object = {}): void => {
    expect(captured).toHaveLength(names.length * CALLS);
    for (const n of NUMBERS) {
      const own = captured.filter(({ distinctId }) => distinctId === `person_${n}`);
      expect(own.map(({ event }) => event).sort()).toEqual([...names].sort());
      for (const { properties } of own) expect(properties).toMatchObject({ order: `order_${n}`, ...more });
    }
  };
  const post = (path: string, n: number, body?: object): Promise<Response> =>
    fetch(url + path, {
      method: 'POST',
      headers: {
        authorization: `Bearer person_${n}@company_${n % 2}`,
        'x-posthog-session-id': `session_${n}`,
        ...(body && { 'content-type': 'application/json' }),
      },
      ...(body && { body: JSON.stringify(body) }),
    });
  const PLACED = ['order_placed', 'order_priced', 'stock_checked'];

  it('HTTP', async () => {
    await Promise.all(NUMBERS.map((n) => post('/orders', n, { id: `order_${n}` })));
    const captured = await allEvents(PLACED);
    expectOwn(captured, PLACED, { $request_route: '/orders', $request_method: 'POST' });
    for (const { event, distinctId, properties } of captured) {
      const n = Number(distinctId.slice('person_'.length));
      expect(properties.$session_id).toBe(`session_${n}`);
      expect(properties.$groups).toEqual({ company: `company_${n % 2}` });
      if (event === 'order_placed') {
        expect(properties).toMatchObject({ $transport: 'http', $outcome: 'success', $response_status_code: 201 });
      }
      if (event === 'order_priced') expect(properties).toMatchObject({ $transport: 'provider', $outcome: 'success' });
    }
  });

  it('HTTP, denied', async () => {
    const response = await fetch(`${url}/orders`, { method: 'POST' });
    expect(response.status).toBe(401);
    // Captured at the end of the response, perhaps after the client has received it.
    await recorder.waitFor('order_refused', {
      matching: { properties: { $outcome: 'denied', $response_status_code: 401, $process_person_profile: false } },
      ...PATIENT,
    });
    expect(events()).toHaveLength(1);
  });

  it('GraphQL', async () => {
    const query = 'mutation($id: String!) { placeOrder(id: $id) { id total } }';
    const answers = await Promise.all(
      NUMBERS.map(async (n) => {
        const response = await post('/graphql', n, { query, variables: { id: `order_${n}` } });
        return ((await response.json()) as { data: { placeOrder: { id: string } } }).data.placeOrder.id;
      }),
    );
    expect(answers).toEqual(NUMBERS.map((n) => `order_${n}`));
    const captured = await allEvents(PLACED);
    expectOwn(captured, PLACED, { $request_method: 'POST' });
    const placed = captured.filter(({ event }) => event === 'order_placed');
    for (const { properties } of placed)
      expect(properties).toMatchObject({ $transport: 'graphql', $outcome: 'success' });
  });

  it('GraphQL, several operations in one request', async () => {
    const query =
      'mutation { a: placeOrder(id: "1") { id } b: placeOrder(id: "22") { id } c: placeOrder(id: "") { id } }';
    await post('/graphql', 7, { query });
    await recorder.waitFor('order_placed', { count: 3, ...PATIENT });
    const captured = events().filter(({ event }) => event === 'order_placed');
    expect(captured.map(({ properties }) => [properties.order, properties.$outcome]).sort()).toEqual([
      ['', 'error'],
      ['1', 'success'],
      ['22', 'success'],
    ]);
    expect(new Set(captured.map(({ distinctId }) => distinctId))).toEqual(new Set(['person_7']));
  });

  it('WebSocket', async () => {
    const socket = sockets === 'ws' ? await openWs(url) : await openSocketIo(url);
    const answered = socket.answers('placed', CALLS);
    for (const n of NUMBERS) socket.send('place', { id: `order_${n}`, customer: `person_${n}` });
    await answered;
    const captured = await allEvents(PLACED);
    // All people share one socket, so only events with an explicit distinct id belong to a person.
    const placed = captured.filter(({ event }) => event === 'order_placed');
    expectOwn(placed, ['order_placed'], { $transport: 'ws', $outcome: 'success' });
    expect(captured).toHaveLength(3 * CALLS);
    for (const n of NUMBERS) {
      const inside = captured.filter(
        ({ event, properties }) => event !== 'order_placed' && properties.order === `order_${n}`,
      );
      expect(inside).toHaveLength(2);
      expect(inside[0]!.distinctId).toBe(inside[1]!.distinctId);
    }

    const watched = socket.answers('state', 3);
    socket.send('watch', { id: 'order_1', customer: 'person_1' });
    await watched;
    await recorder.waitFor('order_watched', PATIENT);
    expect(recorder).toHaveCapturedTimes('order_watched', 1);
    socket.close();
  });

  it('messages over TCP', () =>
    messages(() => ({ transport: Transport.TCP, options: { host: '127.0.0.1', port: tcp } })));

  withRedis('with Redis', () => {
    it('messages over Redis', () =>
      messages(() => ({ transport: Transport.REDIS, options: { host: '127.0.0.1', port: redis!.port } })));

    it('BullMQ jobs', async () => {
      await Promise.all(NUMBERS.map((n) => post(`/jobs/order_${n}`, n)));
      const names = ['invoice_written', 'order_priced', 'stock_checked'];
      const captured = await allEvents(names);
      expectOwn(captured, names);
      for (const { event, properties } of captured) {
        if (event === 'invoice_written')
          expect(properties).toMatchObject({ $transport: 'provider', $outcome: 'success' });
        expect(properties.$request_route).toBeUndefined();
        expect(properties.$session_id).toMatch(/^session_/);
      }
    });
  });

  it('commands and events', async () => {
    await Promise.all(NUMBERS.map((n) => post(`/commands/order_${n}`, n)));
    const names = ['command_done', 'order_priced', 'stock_checked', 'confirmation_sent'];
    expectOwn(await allEvents(names), names);
  });

  it('a request that sends a message', async () => {
    await Promise.all(NUMBERS.map((n) => post(`/messages/order_${n}`, n)));
    const captured = await allEvents(PLACED);
    expectOwn(captured, PLACED);
    for (const { properties } of captured) {
      expect(properties).toMatchObject({ $session_id: expect.stringMatching(/^session_/) });
      expect(properties.$request_route).toBeUndefined();
    }
  });

  it('schedules', async () => {
    await recorder.waitFor('digest_sent', { matching: { distinctId: 'mailer' }, ...PATIENT });
    await recorder.waitFor('reminder_sent', {
      matching: { properties: { $process_person_profile: false } },
      ...PATIENT,
    });
    for (const { event, properties } of recorder.events) {
      if (event === 'digest_sent' || event === 'reminder_sent')
        expect(properties).toMatchObject({ $transport: 'provider', $outcome: 'success' });
    }
  });

  async function messages(options: () => ClientOptions): Promise<void> {
    const client: ClientProxy = ClientProxyFactory.create(options());
    try {
      await client.connect();
      const answers = await Promise.all(
        NUMBERS.map((n) =>
          capture.withContext({ distinctId: `person_${n}` }, () =>
            firstValueFrom(client.send<{ id: string }>('orders.place', attachContext(capture, { id: `order_${n}` }))),
          ),
        ),
      );
      expect(answers.map(({ id }) => id)).toEqual(NUMBERS.map((n) => `order_${n}`));
      const captured = await allEvents(PLACED);
      expectOwn(captured, PLACED);
      const placed = captured.filter(({ event }) => event === 'order_placed');
      for (const { properties } of placed) expect(properties).toMatchObject({ $transport: 'rpc', $outcome: 'success' });

      recorder.clear();
      await expect(firstValueFrom(client.send('orders.place', { id: 'none' }))).rejects.toBeDefined();
      // A person named in the payload is ignored: only the sender's context counts.
      await firstValueFrom(
        client.send('orders.place', { id: 'x', distinct_id: 'eve', headers: { 'x-posthog-distinct-id': 'eve' } }),
      );
      await recorder.waitFor('order_placed', { count: 2, ...PATIENT });
      const [failed, ...others] = recorder.filter('order_placed');
      expect(failed!.properties.$outcome).toBe('error');
      expect(others).toHaveLength(1);
      for (const { properties, distinctId } of [failed!, ...others]) {
        expect(distinctId).not.toBe('eve');
        expect(properties.$process_person_profile).toBe(false);
      }
      expect(others[0]!.distinctId).not.toBe(failed!.distinctId);

      recorder.clear();
      await Promise.all(
        NUMBERS.map((n) =>
          capture.withContext({ distinctId: `person_${n}` }, () =>
            lastValueFrom(client.emit('orders.cancelled', attachContext(capture, { id: `order_${n}` })), {
              defaultValue: undefined,
            }),
          ),
        ),
      );
      expectOwn(await allEvents(['order_cancelled']), ['order_cancelled']);
    } finally {
      await client.close();
    }
  }
});

interface TestSocket {
  send(event: string, data: object): void;
  answers(event: string, count: number): Promise<void>;
  close(): void;
}

async function openSocketIo(url: string): Promise<TestSocket> {
  const socket: Socket = io(url, { transports: ['websocket'] });
  await new Promise<void>((resolve) => socket.once('connect', resolve));
  return {
    send: (event, data) => void socket.emit(event, data),
    answers: (event, count) =>
      new Promise((resolve) => {
        let seen = 0;
        socket.on(event, () => {
          if (++seen === count) resolve();
        });
      }),
    close: () => void socket.close(),
  };
}

async function openWs(url: string): Promise<TestSocket> {
  const socket = new WebSocket(url.replace('http', 'ws'));
  await once(socket, 'open');
  return {
    send: (event, data) => socket.send(JSON.stringify({ event, data })),
    answers: (event, count) =>
      new Promise((resolve) => {
        let seen = 0;
        socket.on('message', (message) => {
          const answer = JSON.parse((message as Buffer).toString()) as { event: string };
          if (answer.event === event && ++seen === count) resolve();
        });
      }),
    close: () => socket.close(),
  };
}
