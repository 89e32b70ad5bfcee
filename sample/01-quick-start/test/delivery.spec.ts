import { type INestApplication } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { FakePostHog } from 'nestjs-posthog-capture/testing';
import { AppModule } from '../src/app.module.js';

/** Tests delivery as well, against a local PostHog that fails on demand. */
describe('the shop and its PostHog', () => {
  let posthog: FakePostHog;
  let app: INestApplication;

  beforeAll(async () => {
    posthog = await FakePostHog.start();
    Object.assign(process.env, {
      POSTHOG_API_KEY: 'phc_test',
      POSTHOG_HOST: posthog.url,
      POSTHOG_FLUSH_INTERVAL_MS: '0',
      POSTHOG_RETRY_BASE_MS: '1',
    });
    const module = await Test.createTestingModule({ imports: [AppModule] }).compile();
    app = module.createNestApplication({ logger: false });
    await app.listen(0, '127.0.0.1');
  });
  beforeEach(() => posthog.clear());
  afterAll(async () => {
    await app.close();
    await posthog.close();
    expect(posthog.violations).toEqual([]);
  });

  const post = async (path: string, body: object): Promise<Response> =>
    fetch((await app.getUrl()) + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });

  it('sends an order again after a failed attempt', async () => {
    posthog.fail({ status: 503 });
    await post('/orders', { product: 'cake', customer: 'user_123', quantity: 2 });
    const [event] = await posthog.waitForEvents(1, { timeoutMs: 30_000 });
    expect(event).toMatchObject({ event: 'order_placed', distinct_id: 'user_123', properties: { total: 10 } });
    expect(posthog.requests).toHaveLength(2);
  });

  it('returns the result of PostHog', async () => {
    posthog.fail({ status: 401 });
    const response = await post('/capture', { event: 'page_view', distinct_id: 'user_123' });
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({ success: false, error: 'PostHog API error: HTTP 401' });
  });

  it('shows a page that links to the events', async () => {
    const response = await fetch(await app.getUrl());
    expect(response.headers.get('content-type')).toContain('text/html');
    expect(await response.text()).toContain(`href="${posthog.url}"`);
  });
});
