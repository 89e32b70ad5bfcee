import { type INestApplication } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { FakePostHog } from 'nestjs-posthog-capture/testing';
import { AppModule } from '../src/app.module.js';

/** How to test an application that captures: the real thing, with a local PostHog instead of PostHog. */
describe('the shop', () => {
  let posthog: FakePostHog;
  let app: INestApplication;
  let url: string;

  beforeAll(async () => {
    posthog = await FakePostHog.start();
    Object.assign(process.env, {
      POSTHOG_API_KEY: 'phc_test',
      POSTHOG_HOST: posthog.url,
      POSTHOG_FLUSH_INTERVAL_MS: '0',
    });
    const module = await Test.createTestingModule({ imports: [AppModule] }).compile();
    app = module.createNestApplication({ logger: false });
    await app.listen(0);
    url = (await app.getUrl()).replace('[::1]', 'localhost');
  });

  beforeEach(() => posthog.clear());

  afterAll(async () => {
    await app.close();
    await posthog.close();
    expect(posthog.violations).toEqual([]);
  });

  const post = (path: string, body: object): Promise<Response> =>
    fetch(url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });

  it('captures an order', async () => {
    const answer = await post('/orders', { product: 'cake', customer: 'user_123', quantity: 2 });
    expect(answer.status).toBe(201);
    const [event] = await posthog.waitForEvents(1);
    expect(event).toMatchObject({
      event: 'order_placed',
      distinct_id: 'user_123',
      properties: { product: 'cake', quantity: 2, total: 10 },
    });
  });

  it('captures no order that was refused', async () => {
    expect((await post('/orders', { product: 'castle', customer: 'user_123' })).status).toBe(404);
    expect((await post('/orders', { product: 'cake' })).status).toBe(400);
    // Whatever had been captured before would have been delivered with or before this one.
    await post('/orders', { product: 'tea', customer: 'user_123' });
    await posthog.waitForEvents(1);
    expect(posthog.events.map(({ properties }) => properties.product)).toEqual(['tea']);
  });

  it('sends any event, and answers what became of it', async () => {
    const answer = await post('/capture', { event: 'page_view', distinct_id: 'user_123', properties: { path: '/' } });
    expect(answer.status).toBe(200);
    expect(await answer.text()).toBe('{"success":true,"event":"page_view","distinct_id":"user_123","error":null}');
    expect(posthog.events).toEqual([expect.objectContaining({ event: 'page_view', distinct_id: 'user_123' })]);
  });

  it('answers what PostHog answered', async () => {
    posthog.fail({ status: 401 });
    const answer = await post('/capture', { event: 'page_view', distinct_id: 'user_123' });
    expect(answer.status).toBe(200);
    expect(await answer.json()).toMatchObject({ success: false, error: 'PostHog API error: HTTP 401' });
  });

  it.each([
    [{ event: 'page_view' }, /distinct_id/],
    [{ distinct_id: 'user_123' }, /event/],
    [{ event: 'page_view', distinct_id: 'user_123', properties: 'none' }, /properties/],
    [{ event: 'page_view', distinctId: 'user_123' }, /distinctId should not exist/],
  ])('refuses %j with a message that names the field', async (body, message) => {
    const answer = await post('/capture', body);
    expect(answer.status).toBe(400);
    expect(JSON.stringify(await answer.json())).toMatch(message);
    expect(posthog.requests).toEqual([]);
  });

  it('shows a page that links to the events', async () => {
    const answer = await fetch(url);
    expect(answer.headers.get('content-type')).toContain('text/html');
    expect(await answer.text()).toContain(`href="${posthog.url}"`);
  });
});
