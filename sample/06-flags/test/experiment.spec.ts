import { type INestApplication } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { FakePostHog } from 'nestjs-posthog-capture/testing';
import { AppModule } from '../src/app.module.js';

/** Tests the experiment from the flag to the events of its goal, against a local PostHog. */
describe('the experiment', () => {
  let posthog: FakePostHog;
  let app: INestApplication;

  beforeAll(async () => {
    posthog = await FakePostHog.start();
    posthog.flags.set({ 'beta-area': true, 'new-checkout': 'control' });
    posthog.flags.setFor('ann', { 'new-checkout': 'one-page' });
    Object.assign(process.env, {
      POSTHOG_API_KEY: 'phc_test',
      POSTHOG_HOST: posthog.url,
      POSTHOG_FLUSH_INTERVAL_MS: '0',
      FLAGS_TIMEOUT_MS: '10000',
    });
    const module = await Test.createTestingModule({ imports: [AppModule] }).compile();
    app = module.createNestApplication({ logger: false });
    await app.listen(0, '127.0.0.1');
  });
  beforeEach(() => posthog.clear());
  afterAll(async () => {
    await app.close();
    expect(posthog.violations).toEqual([]);
    await posthog.close();
  });

  it.each([
    ['ann', 'one-page', 1],
    ['bob', 'control', 3],
  ])('attaches the variant of %s to the events of the request and of its job: %s', async (user, variant, steps) => {
    const response = await fetch(`${await app.getUrl()}/orders`, { method: 'POST', headers: { 'x-user': user } });
    expect(await response.json()).toEqual({ steps });
    await posthog.waitForEvents(3);
    const properties = { '$feature/new-checkout': variant };
    expect(posthog.rows).toMatchObject([
      { event: '$feature_flag_called', properties: { $feature_flag: 'new-checkout', $feature_flag_response: variant } },
      {
        event: 'order_placed',
        distinct_id: user,
        properties: { ...properties, $active_feature_flags: ['new-checkout'] },
      },
      { event: 'receipt_sent', distinct_id: user, properties },
    ]);
    expect(posthog.flags.requests).toHaveLength(1);
  });
});
