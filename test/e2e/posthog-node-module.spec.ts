import { Controller, Injectable, Module, Post } from '@nestjs/common';
import { Test, type TestingModule } from '@nestjs/testing';
import { afterEach, describe, expect, it } from '@jest/globals';
import { CaptureService, InjectCapture, PostHogCaptureModule } from 'nestjs-posthog-capture';
import {
  getPostHogToken,
  InjectPostHog,
  PostHogNodeModule,
  type PostHogNodeModuleOptions,
  type PostHogNodeOptionsFactory,
} from 'nestjs-posthog-capture/posthog-node';
import { PostHog } from 'posthog-node';
import { closeAll, KEY, onClose, startPostHog } from '../support/harness.js';
import { silent } from '../support/recording.js';
import { serve } from '../support/serve.js';

afterEach(closeAll);

const tagged = (tag: string): PostHogNodeModuleOptions => ({
  options: { before_send: (event) => ({ ...event, properties: { ...event.properties, tag } }) },
});

async function compile(imports: unknown[], providers: unknown[] = []): Promise<TestingModule> {
  const module = await Test.createTestingModule({
    imports: imports as [],
    providers: providers as [],
  }).compile();
  onClose(() => module.close());
  await module.init();
  return module;
}

const capture = (host: string, name?: string) =>
  PostHogCaptureModule.forRoot({ apiKey: KEY, host, flushIntervalMs: 5, logger: silent, name });

describe('PostHogNodeModule', () => {
  it('provides PostHog of posthog-node to every module', async () => {
    const posthog = await startPostHog();
    @Injectable()
    class Orders {
      constructor(readonly posthog: PostHog) {}
    }
    @Module({ providers: [Orders] })
    class OrdersModule {}
    const module = await compile([capture(posthog.url), PostHogNodeModule.forRoot(tagged('a')), OrdersModule]);
    const client = module.get(Orders, { strict: false }).posthog;
    expect(client).toBeInstanceOf(PostHog);
    client.capture({ event: 'placed', distinctId: 'd' });
    await client.flush();
    expect(posthog.events).toMatchObject([{ event: 'placed', properties: { tag: 'a' } }]);
  });

  it('takes options from a factory, a class, or an existing provider', async () => {
    const posthog = await startPostHog();
    @Injectable()
    class Factory implements PostHogNodeOptionsFactory {
      createPostHogNodeOptions(): PostHogNodeModuleOptions {
        return tagged('class');
      }
    }
    @Module({ providers: [Factory, { provide: 'tag', useValue: 'injected' }], exports: [Factory, 'tag'] })
    class Config {}
    const clients = [
      PostHogNodeModule.forRootAsync({ imports: [Config], inject: ['tag'], useFactory: (tag: string) => tagged(tag) }),
      PostHogNodeModule.forRootAsync({ useClass: Factory }),
      PostHogNodeModule.forRootAsync({ imports: [Config], useExisting: Factory }),
    ];
    for (const client of clients) {
      const module = await compile([capture(posthog.url), client]);
      module.get(PostHog, { strict: false }).capture({ event: 'e', distinctId: 'd' });
      await module.close();
    }
    expect(posthog.events.map(({ properties }) => properties.tag)).toEqual(['injected', 'class', 'class']);
  });

  it('provides a client for each named instance', async () => {
    const [main, billing] = [await startPostHog(), await startPostHog()];
    @Injectable()
    class Orders {
      constructor(
        readonly posthog: PostHog,
        @InjectPostHog('billing') readonly billing: PostHog,
        @InjectCapture('billing') readonly capture: CaptureService,
      ) {}
    }
    const module = await compile(
      [
        capture(main.url),
        capture(billing.url, 'billing'),
        PostHogNodeModule.forRoot(),
        PostHogNodeModule.forRoot({ name: 'billing' }),
      ],
      [Orders],
    );
    const orders = module.get(Orders);
    expect(module.get(getPostHogToken('billing'), { strict: false })).toBe(orders.billing);
    orders.posthog.capture({ event: 'main', distinctId: 'd' });
    orders.billing.capture({ event: 'billing', distinctId: 'd' });
    await Promise.all([orders.posthog.flush(), orders.billing.flush()]);
    expect(main.events.map(({ event }) => event)).toEqual(['main']);
    expect(billing.events.map(({ event }) => event)).toEqual(['billing']);
    expect(orders.capture.stats().captured).toBe(1);
  });

  it('provides the client to importing modules only, if it is not global', async () => {
    const posthog = await startPostHog();
    @Injectable()
    class Orders {
      constructor(readonly posthog: PostHog) {}
    }
    @Module({ providers: [Orders] })
    class Without {}
    const local = PostHogNodeModule.forRoot({ isGlobal: false });
    await expect(compile([capture(posthog.url), local, Without])).rejects.toThrow(/PostHog/);
    @Module({ imports: [local], providers: [Orders] })
    class With {}
    const module = await compile([capture(posthog.url), With]);
    expect(module.get(Orders, { strict: false }).posthog).toBeInstanceOf(PostHog);
  });

  it('sends what is pending when the application closes, errors that are still being described included', async () => {
    const posthog = await startPostHog();
    const module = await compile([capture(posthog.url), PostHogNodeModule.forRoot()]);
    const client = module.get(PostHog, { strict: false });
    client.capture({ event: 'pending', distinctId: 'd' });
    client.captureException(new Error('x'), 'd');
    await module.close();
    expect(posthog.events.map(({ event }) => event)).toEqual(['pending', '$exception']);
  });

  it('captures in the context of a request', async () => {
    @Controller('orders')
    class OrdersController {
      constructor(private readonly posthog: PostHog) {}

      @Post()
      async place(): Promise<void> {
        this.posthog.capture({ event: 'placed' });
        await this.posthog.captureImmediate({ event: 'placed_now' });
        this.posthog.captureException(new Error('x'));
      }
    }
    const { app, url, events } = await serve({
      imports: [PostHogNodeModule.forRoot()],
      controllers: [OrdersController],
      posthog: {
        identity: ({ request }) => String((request as { headers: Record<string, string> }).headers['x-user']),
      },
    });
    const response = await fetch(`${url}/orders`, {
      method: 'POST',
      headers: { 'x-user': 'ada', 'x-posthog-session-id': 's1' },
    });
    expect(response.status).toBe(201);
    // The error is described asynchronously.
    await app.get(PostHog).flush();
    const stored = await events();
    expect(stored.map(({ event }) => event).sort()).toEqual(['$exception', 'placed', 'placed_now']);
    for (const { distinct_id, properties } of stored) {
      expect(distinct_id).toBe('ada');
      expect(properties).toMatchObject({ $session_id: 's1', $request_method: 'POST' });
      expect(properties).not.toHaveProperty('$process_person_profile');
    }
  });
});
