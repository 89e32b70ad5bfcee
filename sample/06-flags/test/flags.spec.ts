import { type INestApplication } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { overrideFeatureFlags, type TestFlagControls } from 'nestjs-posthog-capture/flags';
import { type CaptureRecorder, overrideCapture } from 'nestjs-posthog-capture/testing';
import 'nestjs-posthog-capture/testing/jest';
import { AppModule } from '../src/app.module.js';

/** Tests what the application does with each value of its flags, without PostHog. */
describe('the flags of the application', () => {
  let recorder: CaptureRecorder;
  let flags: TestFlagControls;
  let app: INestApplication;

  beforeAll(async () => {
    const builder = Test.createTestingModule({ imports: [AppModule] });
    recorder = overrideCapture(builder);
    flags = overrideFeatureFlags(builder, { 'beta-area': true, 'new-checkout': 'one-page' });
    app = (await builder.compile()).createNestApplication({ logger: false });
    await app.listen(0, '127.0.0.1');
  });
  beforeEach(() => {
    recorder.clear();
    flags.reset();
  });
  afterAll(() => app.close());

  const request = async (path: string, method = 'GET'): Promise<Response> =>
    fetch((await app.getUrl()) + path, { method, headers: { 'x-user': 'ann' } });

  it('open the beta, or hide it', async () => {
    expect((await request('/beta')).status).toBe(200);
    flags.set({ 'beta-area': false });
    expect((await request('/beta')).status).toBe(404);
  });

  it.each([
    ['one-page', 1],
    ['control', 3],
    [false, 3],
  ])('decide the steps of an order, and are on its events: %s', async (variant, steps) => {
    flags.set({ 'new-checkout': variant });
    expect(await (await request('/orders', 'POST')).json()).toEqual({ steps });
    await recorder.waitFor('receipt_sent');
    const properties = { '$feature/new-checkout': variant };
    expect(recorder).toHaveCaptured('order_placed', { distinctId: 'ann', properties });
    expect(recorder).toHaveCaptured('receipt_sent', { distinctId: 'ann', properties });
    expect(recorder).toHaveCaptured('$feature_flag_called', {
      properties: { $feature_flag: 'new-checkout', $feature_flag_response: variant },
    });
  });
});
