import { type AddressInfo } from 'node:net';
import {
  Body,
  Controller,
  type DynamicModule,
  ForbiddenException,
  type INestApplication,
  Injectable,
  Module,
  type ModuleMetadata,
  Post,
  type Type,
  UseGuards,
} from '@nestjs/common';
import { ConfigModule } from '@nestjs/config';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test, type TestingModuleBuilder } from '@nestjs/testing';
import { afterEach, describe, expect, it } from '@jest/globals';
import {
  CaptureService,
  getCaptureToken,
  InjectCapture,
  posthogConfig,
  PostHogCaptureModule,
  type PostHogEvent,
  TrackEvent,
} from 'nestjs-posthog-capture';
import { type CaptureRecorder, overrideCapture, recorderOf } from 'nestjs-posthog-capture/testing';
import 'nestjs-posthog-capture/testing/jest';
import { closeAll, expectBalanced, onClose } from '../support/harness.js';
import { silent } from '../support/recording.js';
import { ADAPTERS, type AdapterName } from '../support/serve.js';
import { PATIENCE_MS } from '../support/until.js';

afterEach(closeAll);

interface Order {
  readonly customer: string;
  readonly price: number;
}

@Injectable()
class OrdersService {
  constructor(private readonly capture: CaptureService) {}

  async place({ customer, price }: Order): Promise<{ price: number }> {
    await Promise.resolve();
    this.capture.capture({ event: 'purchase_completed', distinctId: customer, properties: { price } });
    return { price };
  }

  @TrackEvent('order_priced', { properties: ({ result }) => ({ price: result as number }) })
  async price(price: number): Promise<number> {
    await Promise.resolve();
    return price;
  }
}

@Controller('orders')
class OrdersController {
  constructor(private readonly orders: OrdersService) {}

  @Post()
  @TrackEvent('order_placed', { distinctId: ({ args }) => (args[0] as Order).customer })
  @TrackEvent('order_refused', { on: ['error', 'denied'] })
  async place(@Body() order: Order): Promise<{ price: number }> {
    if (order.price < 0) throw new ForbiddenException();
    await this.orders.price(order.price);
    return this.orders.place(order);
  }

  @Post('denied')
  @UseGuards({ canActivate: () => false })
  @TrackEvent('order_refused', { on: 'denied' })
  denied(): void {
    throw new Error('never');
  }
}

const hide = (event: PostHogEvent): PostHogEvent | null => (event.distinct_id === 'secret' ? null : event);

function shop(capture: DynamicModule = PostHogCaptureModule.forRoot({ beforeSend: hide, logger: silent })): Type {
  @Module({ imports: [capture], controllers: [OrdersController], providers: [OrdersService] })
  class ShopModule {}
  return ShopModule;
}

type Imports = NonNullable<ModuleMetadata['imports']>;

const builderOf = (...imports: Imports): TestingModuleBuilder => Test.createTestingModule({ imports });

async function listen(builder: TestingModuleBuilder, adapter: AdapterName = 'express'): Promise<Listening> {
  const module = await builder.compile();
  const app =
    adapter === 'express'
      ? module.createNestApplication({ logger: false })
      : module.createNestApplication<NestFastifyApplication>(new FastifyAdapter(), { logger: false });
  onClose(() => app.close());
  await app.listen(0, '127.0.0.1');
  const { port } = (app.getHttpServer() as { address(): AddressInfo }).address();
  const post = async (
    body: Order,
    headers: Readonly<Record<string, string>> = {},
    path = 'orders',
  ): Promise<number> => {
    const response = await fetch(`http://127.0.0.1:${port}/${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    });
    await response.text();
    return response.status;
  };
  return { app, post };
}

interface Listening {
  readonly app: INestApplication;
  post(body: Order, headers?: Readonly<Record<string, string>>, path?: string): Promise<number>;
}

const names = (recorder: CaptureRecorder): string[] => recorder.events.map(({ event }) => event);

describe.each(ADAPTERS)('overrideCapture on %s', (adapter) => {
  it('has recorded the events of a request when the response arrives', async () => {
    const builder = builderOf(shop());
    const recorder = overrideCapture(builder);
    const { app, post } = await listen(builder, adapter);
    expect(await post({ customer: 'user_1', price: 99.99 })).toBe(201);
    expect(recorder).toHaveCaptured('purchase_completed', {
      distinctId: 'user_1',
      properties: expect.objectContaining({ price: 99.99, $request_route: '/orders' }),
    });
    expect(recorder).toHaveCaptured('order_priced', { properties: { price: 99.99, $transport: 'provider' } });
    expect(recorder).toHaveCaptured('order_placed', {
      distinctId: 'user_1',
      properties: { $outcome: 'success', $response_status_code: 201, $transport: 'http' },
    });
    expect(recorder).not.toHaveCaptured('order_refused');
    expect(recorderOf(app)).toBe(recorder);
    expectBalanced(app.get(CaptureService));
  });

  it('records other outcomes after the response, and omits events that beforeSend drops', async () => {
    const builder = builderOf(shop());
    const recorder = overrideCapture(builder);
    const { post } = await listen(builder, adapter);
    expect(await post({ customer: 'user_1', price: -1 })).toBe(403);
    await recorder.waitFor('order_refused', {
      matching: { properties: { $outcome: 'error' } },
      timeoutMs: PATIENCE_MS,
    });
    expect(await post({ customer: 'user_1', price: 1 }, {}, 'orders/denied')).toBe(403);
    await recorder.waitFor('order_refused', {
      matching: { properties: { $outcome: 'denied' } },
      timeoutMs: PATIENCE_MS,
    });
    expect(recorder).not.toHaveCaptured('purchase_completed');
    await post({ customer: 'secret', price: 5 });
    expect(recorder).not.toHaveCaptured('purchase_completed');
    expect(recorder.dropped.map(({ event, reason }) => `${event} ${reason}`).sort()).toEqual([
      'order_placed before_send',
      'purchase_completed before_send',
    ]);
  });

  it('separates concurrent tests', async () => {
    const builder = builderOf(shop());
    const whole = overrideCapture(builder);
    const { app, post } = await listen(builder, adapter);
    const orders = app.get(OrdersService);
    const test = (n: number): Promise<void> =>
      whole.isolate(async (recorder) => {
        await post({ customer: `user_${n}`, price: n }, recorder.headers);
        await orders.price(n * 100);
        await post({ customer: 'secret', price: n }, recorder.headers);
        expect(recorder).toHaveCapturedTimes('purchase_completed', 1, { properties: { price: n } });
        expect(recorder).toHaveCapturedTimes('purchase_completed', 1);
        expect(recorder).toHaveCapturedTimes('order_placed', 1, { distinctId: `user_${n}` });
        expect(recorder.filter('order_priced').map(({ properties }) => properties.price)).toEqual([n, n * 100, n]);
        expect(recorder.dropped).toHaveLength(2);
      });
    await Promise.all([...Array.from({ length: 20 }, (_, n) => test(n)), post({ customer: 'user_x', price: 1 })]);
    expect(names(whole).sort()).toEqual(['order_placed', 'order_priced', 'purchase_completed']);
    expect(whole).toHaveCaptured('purchase_completed', { distinctId: 'user_x' });
    expect(whole.summary()).toContain('In an isolate(): ');
  });
});

describe('isolate', () => {
  it('records asynchronous work that its function starts, and excludes a nested isolate()', async () => {
    const builder = builderOf(shop());
    const whole = overrideCapture(builder);
    const module = await builder.compile();
    onClose(() => module.close());
    const orders = module.get(OrdersService);
    const returned = await whole.isolate(async (outer) => {
      const inner = outer.isolate((recorder) => {
        void orders.place({ customer: 'inner', price: 1 });
        return recorder;
      });
      await orders.place({ customer: 'outer', price: 2 });
      expect(inner.events.map(({ distinctId }) => distinctId)).toEqual(['inner']);
      expect(outer.events.map(({ distinctId }) => distinctId)).toEqual(['outer']);
      outer.clear();
      expect(inner.events).toHaveLength(1);
      await expect(outer.waitFor('purchase_completed', { timeoutMs: 1 })).rejects.toThrow(
        'Captured: nothing\nBefore clear(): 1 event\nNot in this isolate(): purchase_completed (1)',
      );
      return 'done';
    });
    expect(returned).toBe('done');
    expect(whole.events).toEqual([]);
    expect(whole.headers).toEqual({});
    expect(() =>
      whole.isolate(() => {
        throw new Error('test failed');
      }),
    ).toThrow('test failed');
  });

  it.each(ADAPTERS)('records requests with its headers, whichever test called listen(): %s', async (adapter) => {
    const builder = builderOf(shop());
    const whole = overrideCapture(builder);
    // As with supertest: the first request calls listen(), so connections run in the context of the first test.
    let listening: Promise<Listening> | undefined;
    const customers = await Promise.all(
      ['user_1', 'user_2', 'user_3'].map((customer) =>
        whole.isolate(async (own) => {
          const { post } = await (listening ??= listen(builder, adapter));
          await post({ customer, price: 1 }, own.headers);
          await post({ customer: 'secret', price: 1 }, own.headers);
          expect(own.dropped).toHaveLength(2);
          return own.filter('purchase_completed').map(({ distinctId }) => distinctId);
        }),
      ),
    );
    expect(customers).toEqual([['user_1'], ['user_2'], ['user_3']]);
    expect(whole.events).toEqual([]);
  });

  it.each(ADAPTERS)('records requests with its headers, also with context: false: %s', async (adapter) => {
    const builder = builderOf(shop(PostHogCaptureModule.forRoot({ context: false, beforeSend: hide, logger: silent })));
    const whole = overrideCapture(builder);
    let listening: Promise<Listening> | undefined;
    await Promise.all(
      ['user_1', 'user_2', 'user_3'].map((customer) =>
        whole.isolate(async (own) => {
          const { post } = await (listening ??= listen(builder, adapter));
          await post({ customer, price: 1 }, own.headers);
          await post({ customer: 'secret', price: 1 }, own.headers);
          await post({ customer, price: -1 }, own.headers);
          await own.waitFor('order_refused', { timeoutMs: PATIENCE_MS });
          expect(names(own).sort()).toEqual([
            'order_placed',
            'order_priced',
            'order_priced',
            'order_refused',
            'purchase_completed',
          ]);
          expect(own).toHaveCaptured('purchase_completed', { distinctId: customer });
          expect(own.dropped).toHaveLength(2);
        }),
      ),
    );
    expect(whole.events).toEqual([]);
  });

  it('ignores headers with an unknown id', async () => {
    const builder = builderOf(shop());
    const recorder = overrideCapture(builder);
    const { post } = await listen(builder);
    await post({ customer: 'user_1', price: 1 }, { 'x-capture-recording': 'unknown' });
    expect(recorder).toHaveCaptured('purchase_completed');
  });

  it('isolates only the instance of the recorder', async () => {
    const builder = builderOf(
      PostHogCaptureModule.forRoot({ logger: silent }),
      PostHogCaptureModule.forRoot({ name: 'billing', logger: silent }),
    );
    const first = overrideCapture(builder);
    const second = overrideCapture(builder, { name: 'billing' });
    const module = await builder.compile();
    onClose(() => module.close());
    const both = (event: string): void => {
      for (const token of [CaptureService, getCaptureToken('billing')])
        module.get<CaptureService>(token).capture({ event, distinctId: 'p' });
    };
    first.isolate((own) => {
      both('in one');
      second.isolate((other) => {
        both('in both');
        expect(names(other)).toEqual(['in both']);
      });
      expect(names(own)).toEqual(['in one', 'in both']);
    });
    expect(names(first)).toEqual([]);
    expect(names(second)).toEqual(['in one']);
  });
});

describe('overrideCapture', () => {
  it.each<[string, () => Imports]>([
    ['forRoot()', () => [PostHogCaptureModule.forRoot()]],
    [
      'the environment through ConfigModule',
      () => [ConfigModule.forRoot({ ignoreEnvFile: true, load: [posthogConfig] }), PostHogCaptureModule.forRoot()],
    ],
    ['forRootAsync', () => [PostHogCaptureModule.forRootAsync({ useFactory: () => ({ apiKey: undefined }) })]],
    ['an instance that is not global', () => [PostHogCaptureModule.forRoot({ isGlobal: false })]],
    [
      'options that name a store and an HttpService',
      () => [PostHogCaptureModule.forRoot({ store: '/nowhere', http: 'x' })],
    ],
  ])('needs no key with %s', async (_, imports) => {
    const builder = builderOf(...imports());
    const recorder = overrideCapture(builder, { logger: silent });
    const { app } = await listen(builder);
    app.get(CaptureService).capture({ event: 'seen', distinctId: 'p' });
    expect(recorder).toHaveCaptured('seen');
  });

  it('keeps the options of the application, except those that the test overrides', async () => {
    const module = PostHogCaptureModule.forRoot({ superProperties: { a: 1 }, enabled: false, logger: silent });
    const asIs = builderOf(module);
    const nothing = overrideCapture(asIs);
    const off = await asIs.compile();
    expect(off.get(CaptureService).capture({ event: 'seen', distinctId: 'p' })).toBeNull();
    expect(nothing.summary()).toContain('overrideCapture(builder, { enabled: true }) overrides enabled: false');

    const builder = builderOf(module);
    const recorder = overrideCapture(builder, { enabled: true, disableGeoip: false, onDrop: undefined });
    const on = await builder.compile();
    onClose(() => Promise.all([off.close(), on.close()]));
    on.get(CaptureService).capture({ event: 'seen', distinctId: 'p' });
    expect(recorder).toHaveCaptured('seen', { properties: { a: 1, $geoip_disable: undefined } });
  });

  it('rejects invalid options like PostHogCaptureModule', async () => {
    const builder = builderOf(PostHogCaptureModule.forRoot({ flushAt: -1 }));
    overrideCapture(builder);
    await expect(builder.compile()).rejects.toThrow('flushAt (POSTHOG_FLUSH_AT): got -1');
    const text = builderOf(PostHogCaptureModule.forRootAsync({ useFactory: () => 'phc_key' as unknown as object }));
    overrideCapture(text);
    await expect(text.compile()).rejects.toThrow('expected an object');
  });

  it('records only the given named instance', async () => {
    @Injectable()
    class Billing {
      constructor(@InjectCapture('billing') readonly capture: CaptureService) {}
    }
    const builder = Test.createTestingModule({
      imports: [
        PostHogCaptureModule.forRoot({ enabled: false }),
        PostHogCaptureModule.forRoot({ name: 'billing', superProperties: { team: 'money' } }),
      ],
      providers: [Billing],
    });
    const recorder = overrideCapture(builder, { name: 'billing' });
    const module = await builder.compile();
    onClose(() => module.close());
    module.get(Billing).capture.capture({ event: 'billed', distinctId: 'p' });
    expect(recorder).toHaveCaptured('billed', { properties: { team: 'money' } });
    expect(recorderOf(module, 'billing')).toBe(recorder);
    expect(() => recorderOf(module)).toThrow(
      'The instance of this application has no recorder. Import PostHogCaptureTestingModule.forRoot() instead of',
    );
  });

  it('reports an instance that does not exist', async () => {
    const builder = Test.createTestingModule({});
    const recorder = overrideCapture(builder, { name: 'billing' });
    const module = await builder.compile();
    onClose(() => module.close());
    expect(recorder.isRecording).toBe(false);
    expect(recorder.summary()).toBe(
      [
        'No instance writes to this recorder. Does the application import PostHogCaptureModule with the name "billing", and was the builder compiled after overrideCapture()?',
        'Captured: nothing',
        'Dropped: nothing',
      ].join('\n'),
    );
    expect(() => expect(recorder).toHaveCaptured('x')).toThrow(
      'toHaveCaptured: this recorder records nothing.\n\nNo instance writes to this recorder.',
    );
  });

  it('returns a recorder per application', async () => {
    const [one, two] = await Promise.all(
      [0, 1].map(async () => {
        const builder = builderOf(shop());
        return { recorder: overrideCapture(builder), ...(await listen(builder)) };
      }),
    );
    await Promise.all([one!.post({ customer: 'one', price: 1 }), two!.post({ customer: 'two', price: 2 })]);
    expect(one!.recorder).toHaveCapturedTimes('purchase_completed', 1, { distinctId: 'one' });
    expect(one!.recorder).toHaveCapturedTimes('purchase_completed', 1);
    expect(two!.recorder).toHaveCapturedTimes('purchase_completed', 1, { distinctId: 'two' });
    expect(two!.recorder).toHaveCapturedTimes('purchase_completed', 1);
  });
});
