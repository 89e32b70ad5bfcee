import { Controller, Get, Injectable, Module } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { CaptureService, PostHogCaptureModule, withJobContext, attachContext } from 'nestjs-posthog-capture';
import {
  FeatureFlags,
  FeatureFlagsModule,
  FeatureFlagsTestingModule,
  InjectFeatureFlags,
  overrideFeatureFlags,
  TestFeatureFlags,
} from 'nestjs-posthog-capture/flags';
import { overrideCapture, PostHogCaptureTestingModule, CaptureRecorder } from 'nestjs-posthog-capture/testing';
import { closeAll, onClose } from '../../support/harness.js';

afterEach(closeAll);

@Injectable()
class Checkout {
  constructor(private readonly flags: FeatureFlags) {}

  async version(distinctId?: string): Promise<string> {
    return String((await this.flags.value('new-checkout', { distinctId })) ?? 'old');
  }
}

async function compile(...imports: Parameters<typeof Test.createTestingModule>[0]['imports'] & object) {
  const module = await Test.createTestingModule({ imports, providers: [Checkout] }).compile();
  onClose(() => module.close());
  return module;
}

it('has the values of the test, which the test may change and reset', async () => {
  const module = await compile(
    PostHogCaptureTestingModule.forRoot(),
    FeatureFlagsTestingModule.forRoot({ 'new-checkout': 'blue' }),
  );
  const [checkout, flags, capture] = [module.get(Checkout), module.get(TestFeatureFlags), module.get(CaptureService)];
  expect(module.get(FeatureFlags)).toBe(flags);
  expect(await checkout.version()).toBe('blue');
  await capture.withContext({ distinctId: 'ann' }, async () => {
    expect(await checkout.version()).toBe('blue');
    flags.set({ 'new-checkout': false, other: { value: true, payload: { a: 1 } } });
    expect(await checkout.version()).toBe('false');
    expect([await flags.isEnabled('other'), await flags.payload('other')]).toEqual([true, { a: 1 }]);
    flags.reset();
    expect([await checkout.version(), await flags.value('other')]).toEqual(['blue', undefined]);
  });
});

it('captures the exposures and attaches the values, as in production', async () => {
  const module = await compile(
    PostHogCaptureTestingModule.forRoot(),
    FeatureFlagsTestingModule.forRoot({ 'new-checkout': 'blue' }),
  );
  const [checkout, capture, recorder] = [module.get(Checkout), module.get(CaptureService), module.get(CaptureRecorder)];
  const data = await capture.withContext(
    { distinctId: 'ann', groups: { company: 'acme' }, properties: { plan: 'pro' } },
    async () => {
      await checkout.version();
      await checkout.version();
      capture.capture({ event: 'goal' });
      return attachContext(capture, {});
    },
  );
  await withJobContext(capture, { data }, () => checkout.version());
  expect(recorder.events.map(({ event }) => event)).toEqual(['$feature_flag_called', 'goal']);
  const [exposure, goal] = recorder.events;
  expect(exposure).toMatchObject({
    distinctId: 'ann',
    groups: { company: 'acme' },
    properties: { $feature_flag: 'new-checkout', $feature_flag_response: 'blue', '$feature/new-checkout': 'blue' },
  });
  expect(exposure?.properties).not.toHaveProperty('plan');
  expect(goal?.properties).toMatchObject({ '$feature/new-checkout': 'blue', $active_feature_flags: ['new-checkout'] });
  await checkout.version();
  await checkout.version('bob');
  expect(recorder.events.map(({ distinctId }) => distinctId)).toEqual(['ann', 'ann', 'bob']);
});

it('needs no instance, and serves named ones', async () => {
  const module = await compile(
    FeatureFlagsTestingModule.forRoot({ 'new-checkout': true }),
    FeatureFlagsTestingModule.forRoot({ a: 1 as never }, { name: 'billing' }),
  );
  expect(await module.get(Checkout).version('ann')).toBe('true');
});

it('replaces FeatureFlagsModule in a whole application', async () => {
  @Controller()
  class Home {
    constructor(@InjectFeatureFlags() private readonly flags: FeatureFlags) {}

    @Get()
    home() {
      return this.flags.isEnabled('new-checkout');
    }
  }
  @Module({
    imports: [PostHogCaptureModule.forRoot({ apiKey: 'phc_x' }), FeatureFlagsModule.forRoot({ secretKey: 'phs_x' })],
    controllers: [Home],
  })
  class AppModule {}
  const builder = Test.createTestingModule({ imports: [AppModule] });
  const flags = overrideFeatureFlags(builder, { 'new-checkout': true });
  const recorder = overrideCapture(builder, { identity: () => 'ann' });
  const app = (await builder.compile()).createNestApplication({ logger: false });
  onClose(() => app.close());
  await app.listen(0, '127.0.0.1');
  const response = await fetch(await app.getUrl());
  expect(await response.text()).toBe('true');
  expect(recorder.events.map(({ event, distinctId }) => [event, distinctId])).toEqual([
    ['$feature_flag_called', 'ann'],
  ]);
  flags.set({ 'new-checkout': false });
  expect(await (await fetch(await app.getUrl())).text()).toBe('false');
  flags.reset();
  expect(await (await fetch(await app.getUrl())).text()).toBe('true');
});

it('FeatureFlagsModule asks nobody while a test records events, and names the remedy', async () => {
  const lines: string[] = [];
  const warn = (line: unknown): void => void lines.push(String(line));
  const module = await compile(
    PostHogCaptureTestingModule.forRoot({ logger: { log: warn, warn, error: warn } }),
    FeatureFlagsModule.forRoot({ secretKey: 'phs_x' }),
  );
  await module.init();
  expect(await module.get(Checkout).version('ann')).toBe('old');
  expect(await module.get(Checkout).version('bob')).toBe('old');
  expect(lines).toEqual([expect.stringMatching(/default values.*Remedy: overrideFeatureFlags/)]);
});
