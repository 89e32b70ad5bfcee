import { inspect } from 'node:util';
import { HttpModule, HttpService } from '@nestjs/axios';
import { Injectable, Module, type DynamicModule, type Type } from '@nestjs/common';
import { ConfigModule, registerAs } from '@nestjs/config';
import { Test } from '@nestjs/testing';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  CaptureService,
  getCaptureToken,
  InjectCapture,
  posthogConfig,
  PostHogCaptureModule,
  type PostHogCaptureModuleAsyncOptions,
  type PostHogCaptureOptionsFactory,
} from 'nestjs-posthog-capture';
import { FakePostHog } from 'nestjs-posthog-capture/testing';
import { KEY } from '../support/harness.js';

type Import = Type | DynamicModule | Promise<DynamicModule>;

let posthog: FakePostHog;

beforeEach(async () => {
  posthog = await FakePostHog.start({ apiKey: KEY });
});

afterEach(async () => {
  await posthog.close();
  for (const name of Object.keys(process.env))
    if (name.startsWith('POSTHOG_')) Reflect.deleteProperty(process.env, name);
});

function setVariables(): void {
  process.env.POSTHOG_API_KEY = KEY;
  process.env.POSTHOG_HOST = posthog.url;
}

/** Boots an application, captures one event, closes, and returns the number of events that arrived. */
async function deliversWith(imports: Import[]): Promise<number> {
  const module = await Test.createTestingModule({ imports }).compile();
  const app = module.createNestApplication();
  await app.init();
  app.get(CaptureService).capture({ event: 'page_view', distinctId: 'user_123' });
  await app.close();
  return posthog.events.length;
}

describe('forRoot() without options reads', () => {
  it.each<[string, () => Import[]]>([
    ['the environment, without any ConfigModule', () => []],
    ['a global ConfigModule', () => [ConfigModule.forRoot({ isGlobal: true, ignoreEnvFile: true })]],
    ['a ConfigModule that is not global', () => [ConfigModule.forRoot({ ignoreEnvFile: true })]],
    [
      'the namespace of posthogConfig',
      () => [ConfigModule.forRoot({ isGlobal: true, ignoreEnvFile: true, load: [posthogConfig] })],
    ],
    ['posthogConfig for a feature', () => [ConfigModule.forFeature(posthogConfig)]],
  ])('%s', async (_, imports) => {
    setVariables();
    expect(await deliversWith([...imports(), PostHogCaptureModule.forRoot()])).toBe(1);
  });

  it.each([true, false])('an asynchronous namespace of a global ConfigModule (imported first: %p)', async (first) => {
    const load = registerAs('posthog', () => Promise.resolve({ apiKey: KEY, host: posthog.url }));
    const config = ConfigModule.forRoot({ isGlobal: true, ignoreEnvFile: true, load: [load] });
    const capture = PostHogCaptureModule.forRoot();
    expect(await deliversWith(first ? [config, capture] : [capture, config])).toBe(1);
  });
});

describe('forRootAsync', () => {
  const options = (): { apiKey: string; host: string } => ({ apiKey: KEY, host: posthog.url });

  @Injectable()
  class Factory implements PostHogCaptureOptionsFactory {
    createPostHogCaptureOptions(): { apiKey: string; host: string } {
      return options();
    }
  }
  @Module({ providers: [Factory], exports: [Factory] })
  class FactoryModule {}

  it.each<[string, () => Import]>([
    ['useFactory', () => PostHogCaptureModule.forRootAsync({ useFactory: options })],
    [
      'an asynchronous useFactory',
      () => PostHogCaptureModule.forRootAsync({ useFactory: () => Promise.resolve(options()) }),
    ],
    [
      'inject and imports',
      () =>
        PostHogCaptureModule.forRootAsync({
          imports: [FactoryModule],
          inject: [Factory],
          useFactory: (factory: Factory) => factory.createPostHogCaptureOptions(),
        }),
    ],
    ['useClass', () => PostHogCaptureModule.forRootAsync({ useClass: Factory })],
    ['useExisting', () => PostHogCaptureModule.forRootAsync({ imports: [FactoryModule], useExisting: Factory })],
  ])('%s', async (_, module) => {
    expect(await deliversWith([module()])).toBe(1);
  });

  it('posthogConfig.asProvider()', async () => {
    setVariables();
    expect(await deliversWith([PostHogCaptureModule.forRootAsync(posthogConfig.asProvider())])).toBe(1);
  });

  it('takes PostHogCaptureModuleAsyncOptions, with name and isGlobal next to the factory', async () => {
    const given: PostHogCaptureModuleAsyncOptions = { name: 'billing', isGlobal: false, useFactory: options };
    const definition = PostHogCaptureModule.forRootAsync(given);
    expect(definition.global).toBe(false);
    const module = await Test.createTestingModule({ imports: [definition] }).compile();
    const capture = module.get<CaptureService>(getCaptureToken('billing'));
    expect((await capture.captureNow({ event: 'page_view', distinctId: 'user_123' })).success).toBe(true);
    await module.close();
  });

  it('without useFactory, useClass and useExisting throws', () => {
    expect(() => PostHogCaptureModule.forRootAsync({})).toThrow(/useFactory, useClass or useExisting/);
  });
});

describe('at boot', () => {
  const boot = (imports: Import[]): Promise<unknown> => Test.createTestingModule({ imports }).compile();

  it('a missing key is an error that lists the remedies', async () => {
    await expect(boot([PostHogCaptureModule.forRoot()])).rejects.toThrow(/POSTHOG_API_KEY[^]*enabled: false/);
  });

  it('one error lists every problem, and never the key', async () => {
    const wrong = { apiKey: 'phx_personal_secret', host: 'us.i.posthog.com', flushAt: 0, flushInterval: 5 };
    const message = await boot([PostHogCaptureModule.forRoot(wrong)]).then(
      () => '',
      (error: unknown) => (error instanceof Error ? error.message : ''),
    );
    expect(message).toMatch(/apiKey/);
    expect(message).toMatch(/host[^]*https:\/\/us\.i\.posthog\.com/);
    expect(message).toMatch(/flushAt[^]*POSTHOG_FLUSH_AT/);
    expect(message).toMatch(/flushInterval[^]*did you mean flushIntervalMs/i);
    expect(message).not.toContain('phx_personal_secret');
  });

  it('a token without an HttpService is an error', async () => {
    const module = await Test.createTestingModule({
      imports: [PostHogCaptureModule.forRoot({ apiKey: KEY, http: 'NOBODY' })],
    }).compile();
    await expect(module.createNestApplication().init()).rejects.toThrow(/NOBODY/);
  });

  it('a token that is a key by mistake is not quoted', async () => {
    const imports = [PostHogCaptureModule.forRoot({ apiKey: KEY, http: KEY })];
    const module = await Test.createTestingModule({ imports }).compile();
    const error: unknown = await module
      .createNestApplication()
      .init()
      .catch((thrown: unknown) => thrown);
    expect(inspect(error)).toContain('does not name an HttpService');
    expect(inspect(error)).not.toContain(KEY);
  });
});

it('named instances are independent and read only their own variables', async () => {
  setVariables();
  const billing = await FakePostHog.start();
  process.env.POSTHOG_BILLING_API_KEY = 'phc_billing';
  process.env.POSTHOG_BILLING_HOST = billing.url;
  @Injectable()
  class Invoices {
    constructor(
      @InjectCapture('billing') readonly named: CaptureService,
      readonly plain: CaptureService,
    ) {}
  }
  const module = await Test.createTestingModule({
    imports: [PostHogCaptureModule.forRoot(), PostHogCaptureModule.forRoot({ name: 'billing' })],
    providers: [Invoices],
  }).compile();
  const app = module.createNestApplication();
  await app.init();
  const { named, plain } = app.get(Invoices);
  expect(app.get(getCaptureToken('billing'))).toBe(named);
  named.capture({ event: 'invoice_paid', distinctId: 'a' });
  plain.capture({ event: 'page_view', distinctId: 'a' });
  await app.close();
  expect(billing.events.map(({ event }) => event)).toEqual(['invoice_paid']);
  expect(posthog.events.map(({ event }) => event)).toEqual(['page_view']);
  await billing.close();
});

it('a named instance does not use the key of the default instance', async () => {
  setVariables();
  const module = Test.createTestingModule({ imports: [PostHogCaptureModule.forRoot({ name: 'billing' })] });
  await expect(module.compile()).rejects.toThrow(/POSTHOG_BILLING_API_KEY/);
});

it('with isGlobal: false only modules that import it can inject the service', async () => {
  setVariables();
  @Injectable()
  class Stranger {
    constructor(readonly capture: CaptureService) {}
  }
  @Module({ providers: [Stranger] })
  class StrangerModule {}
  const module = Test.createTestingModule({
    imports: [PostHogCaptureModule.forRoot({ isGlobal: false }), StrangerModule],
  });
  await expect(module.compile()).rejects.toThrow(/CaptureService/);
});

describe('option http', () => {
  it('uses the HttpService of the application, except for settings that the protocol requires', async () => {
    @Module({
      imports: [
        HttpModule.register({
          maxRedirects: 5,
          validateStatus: (status) => status < 300,
          baseURL: 'http://127.0.0.1:1',
        }),
      ],
      exports: [HttpModule],
    })
    class WebModule {}
    const module = await Test.createTestingModule({
      imports: [WebModule, PostHogCaptureModule.forRoot({ apiKey: KEY, host: posthog.url, http: HttpService })],
    }).compile();
    const app = module.createNestApplication();
    await app.init();
    const seen: unknown[] = [];
    app.get(HttpService, { strict: false }).axiosRef.interceptors.request.use((config) => {
      seen.push(config.url);
      return config;
    });
    posthog.fail({ status: 401 });
    const result = await app.get(CaptureService).captureNow({ event: 'a', distinctId: 'a' });
    expect(result.error).toBe('PostHog API error: HTTP 401');
    expect(seen).toEqual([`${posthog.url}/batch/`]);
    await app.close();
  });

  it('by default, interceptors of the application see no request', async () => {
    const module = await Test.createTestingModule({
      imports: [HttpModule, PostHogCaptureModule.forRoot({ apiKey: KEY, host: posthog.url })],
    }).compile();
    const app = module.createNestApplication();
    await app.init();
    const seen: unknown[] = [];
    app.get(HttpService, { strict: false }).axiosRef.interceptors.request.use((config) => {
      seen.push(config);
      return config;
    });
    await app.get(CaptureService).captureNow({ event: 'a', distinctId: 'a' });
    await app.close();
    expect(posthog.events).toHaveLength(1);
    expect(seen).toEqual([]);
  });

  it('keeps connections alive', async () => {
    const module = await Test.createTestingModule({
      imports: [PostHogCaptureModule.forRoot({ apiKey: KEY, host: posthog.url })],
    }).compile();
    const capture = module.get(CaptureService);
    for (let index = 0; index < 3; index += 1) await capture.captureNow({ event: 'a', distinctId: 'a' });
    expect(posthog.requests.map(({ headers }) => headers.connection)).toEqual([
      'keep-alive',
      'keep-alive',
      'keep-alive',
    ]);
    await module.close();
  });
});
