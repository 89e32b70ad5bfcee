import { Controller, Get, Injectable, type NestInterceptor, Next, UseGuards, UseInterceptors } from '@nestjs/common';
import { ExternalContextCreator } from '@nestjs/core';
import { ClientProxyFactory, EventPattern, Payload, Transport } from '@nestjs/microservices';
import { attachContext, RestoreContext, TrackEvent } from 'nestjs-posthog-capture';
import { retry } from 'rxjs';
import { closeAll, onClose } from '../../support/harness.js';
import { ADAPTERS, freePort, serve } from '../../support/serve.js';

const ANY = { on: 'any' } as const;
const retrying: NestInterceptor = { intercept: (_context, next) => next.handle().pipe(retry(1)) };

/** Resumes `slow`. */
let release: () => void = () => undefined;
/** Called when `slow` is waiting. */
let waiting: Promise<void>;
let waits: () => void;

@Controller()
class FlakyController {
  private calls = 0;

  @Get('inner')
  @UseInterceptors(retrying)
  @TrackEvent('inner', ANY)
  inner() {
    return this.flaky();
  }

  @Get('outer')
  @TrackEvent('outer', ANY)
  @UseInterceptors(retrying)
  async outer() {
    await new Promise(setImmediate);
    return this.flaky();
  }

  @Get('slow')
  @TrackEvent('slow', ANY)
  async slow() {
    waits();
    await new Promise<void>((resolve) => (release = resolve));
    return 'slow';
  }

  private flaky(): string {
    if (this.calls++ % 2 === 0) throw new Error('try again');
    return 'ok';
  }
}

@Controller('next')
class NextController {
  @Get(':a')
  @TrackEvent('first', ANY)
  first(@Next() next: () => void) {
    next();
  }

  @Get(':b')
  @UseGuards({ canActivate: () => false })
  @TrackEvent('second', { on: 'denied' })
  second() {
    return 'never';
  }
}

@Controller()
class FirstListener {
  @EventPattern('placed')
  @TrackEvent('one')
  @RestoreContext()
  one(@Payload() data: object) {
    return data;
  }
}

@Controller()
class SecondListener {
  @EventPattern('placed')
  @TrackEvent('two')
  @RestoreContext()
  two(@Payload() data: object) {
    return data;
  }
}

const ran: string[] = [];
/** A decorator that returns a proxy. */
const Transactional = (): MethodDecorator => (_target, _name, descriptor: PropertyDescriptor) => {
  descriptor.value = new Proxy(descriptor.value as () => unknown, {
    apply: (method, self, args) => {
      ran.push('transaction');
      return Reflect.apply(method, self, args) as unknown;
    },
  });
};

class LazyPromise<T> extends Promise<T> {
  started = false;

  override then<A = T, B = never>(
    onFulfilled?: ((value: T) => A | PromiseLike<A>) | null,
    onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    this.started = true;
    return super.then(onFulfilled, onRejected);
  }
}

@Injectable()
class Methods {
  @TrackEvent('above', ANY)
  @Transactional()
  @TrackEvent('below', ANY)
  between(): string {
    return 'done';
  }

  @TrackEvent('given', ANY)
  give(value: unknown): unknown {
    return value;
  }
}

afterEach(closeAll);

describe.each(ADAPTERS)('a handler that runs again, on %s', (adapter) => {
  it.each(['inner', 'outer'])('is one event and one success, with the retry %s', async (path) => {
    const { url, events } = await serve({ adapter, controllers: [FlakyController] });
    expect(await (await fetch(`${url}/${path}`)).text()).toBe('ok');
    const captured = await events();
    expect(captured.map(({ event, properties }) => [event, properties.$transport, properties.$outcome])).toEqual([
      [path, 'http', 'success'],
    ]);
  });

  it('is two events when code calls it while a request is running it', async () => {
    waiting = new Promise((resolve) => (waits = resolve));
    const { url, app, events } = await serve({ adapter, controllers: [FlakyController] });
    const response = fetch(`${url}/slow`);
    await waiting;
    const releaseFirst = release;
    waiting = new Promise((resolve) => (waits = resolve));
    const direct = app.get(FlakyController).slow();
    await waiting;
    release();
    expect(await direct).toBe('slow');
    releaseFirst();
    await (await response).text();
    expect((await events()).map(({ properties }) => properties.$transport)).toEqual(['provider', 'http']);
  });
});

it('a denial after next() belongs to the second handler', async () => {
  const { url, events } = await serve({ controllers: [NextController] });
  expect((await fetch(`${url}/next/x`)).status).toBe(403);
  const outcomes = (await events()).map(({ event, properties }) => `${event} ${String(properties.$outcome)}`);
  expect(outcomes.sort()).toEqual(['first error', 'second denied']);
});

it('two handlers of one message both have the context of its sender', async () => {
  const port = await freePort();
  const { capture, posthog } = await serve({
    controllers: [FirstListener, SecondListener],
    prepare: async (app) => {
      app.connectMicroservice({ transport: Transport.TCP, options: { host: '127.0.0.1', port } });
      await app.startAllMicroservices();
    },
  });
  const client = ClientProxyFactory.create({ transport: Transport.TCP, options: { host: '127.0.0.1', port } });
  onClose(() => Promise.resolve(client.close()));
  client.emit(
    'placed',
    capture.withContext({ distinctId: 'ann' }, () => attachContext(capture, { n: 1 })),
  );
  while (posthog.events.length < 2) await posthog.waitForEvents(posthog.events.length + 1);
  expect(posthog.events.map(({ event, distinct_id }) => `${event} ${distinct_id}`).sort()).toEqual([
    'one ann',
    'two ann',
  ]);
});

describe('a method', () => {
  it('keeps a decorator between two of ours', async () => {
    const { app, events } = await serve({ providers: [Methods] });
    ran.length = 0;
    expect(app.get(Methods).between()).toBe('done');
    expect(ran).toEqual(['transaction']);
    expect((await events()).map(({ event }) => event).sort()).toEqual(['above', 'below']);
  });

  it('that returns the same thenable repeatedly does not wrap it repeatedly', async () => {
    const { app, capture } = await serve({ providers: [Methods] });
    const shared = { then: (resolve: (value: number) => void) => resolve(1) };
    for (let n = 0; n < 20_000; n += 1) app.get(Methods).give(shared);
    expect(await shared).toBe(1);
    expect(capture.stats().captured).toBe(20_000);
  });

  it('does not start a lazy promise', async () => {
    const { app, capture } = await serve({ providers: [Methods] });
    const lazy = new LazyPromise<number>((resolve) => resolve(1));
    expect(app.get(Methods).give(lazy)).toBe(lazy);
    expect([lazy.started, capture.stats().captured]).toEqual([false, 0]);
    expect(await lazy).toBe(1);
    expect(capture.stats().captured).toBe(1);
  });

  it('that a library runs through Nest is not an HTTP request, whatever its arguments', async () => {
    const { app, events } = await serve({ providers: [Methods] });
    const methods = app.get(Methods);
    const run = app.get(ExternalContextCreator).create(methods, methods.give.bind(methods), 'give');
    const tracked = app.get(ExternalContextCreator).create(methods, methods.give, 'give');
    const eve = { headers: { 'x-posthog-distinct-id': 'eve' } };
    for (const value of ['text', undefined, eve]) expect(await tracked(value)).toBe(value);
    expect(await run('bound')).toBe('bound');
    const captured = await events();
    expect(captured).toHaveLength(4);
    for (const { distinct_id, properties } of captured) {
      expect(distinct_id).not.toBe('eve');
      expect(properties).toMatchObject({ $transport: 'provider', $outcome: 'success' });
    }
  });
});

it('adds no visible property to an instance', async () => {
  const { app } = await serve({ providers: [Methods] });
  expect(Reflect.ownKeys(app.get(Methods))).toEqual([]);
});
