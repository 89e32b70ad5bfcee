import { type INestApplication } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { type CaptureRecorder, overrideCapture } from 'nestjs-posthog-capture/testing';
import 'nestjs-posthog-capture/testing/jest';
import { AppModule } from '../src/app.module.js';
import { OrderPlaced } from '../src/orders/order-placed.event.js';

/** Tests the complete application, with a recorder instead of PostHog. */
describe('the shop', () => {
  let recorder: CaptureRecorder;
  let app: INestApplication;

  beforeAll(async () => {
    const builder = Test.createTestingModule({ imports: [AppModule] });
    recorder = overrideCapture(builder);
    app = (await builder.compile()).createNestApplication({ logger: false });
    await app.listen(0, '127.0.0.1');
  });
  beforeEach(() => recorder.clear());
  afterAll(() => app.close());

  const post = async (path: string, body: object): Promise<Response> =>
    fetch((await app.getUrl()) + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });

  it('captures an order', async () => {
    const response = await post('/orders', { product: 'cake', customer: 'user_123', quantity: 2 });
    expect(response.status).toBe(201);
    expect(recorder).toHaveCapturedTimes(OrderPlaced, 1);
    expect(recorder).toHaveCaptured(OrderPlaced, {
      distinctId: 'user_123',
      properties: { product: 'cake', quantity: 2, total: 10 },
    });
  });

  it('captures nothing for a refused order', async () => {
    expect((await post('/orders', { product: 'castle', customer: 'user_123' })).status).toBe(404);
    expect((await post('/orders', { product: 'cake' })).status).toBe(400);
    expect(recorder).not.toHaveCaptured(OrderPlaced);
  });

  it('captures any event and returns the result', async () => {
    const response = await post('/capture', { event: 'page_view', distinct_id: 'user_123', properties: { path: '/' } });
    expect(response.status).toBe(200);
    expect(await response.text()).toBe('{"success":true,"event":"page_view","distinct_id":"user_123","error":null}');
    expect(recorder).toHaveCaptured('page_view', { distinctId: 'user_123', properties: { path: '/' } });
  });

  it.each([
    [{ event: 'page_view' }, /distinct_id/],
    [{ distinct_id: 'user_123' }, /event/],
    [{ event: 'page_view', distinct_id: 'user_123', properties: 'none' }, /properties/],
    [{ event: 'page_view', distinctId: 'user_123' }, /distinctId should not exist/],
  ])('refuses %j and names the field', async (body, message) => {
    const response = await post('/capture', body);
    expect(response.status).toBe(400);
    expect(JSON.stringify(await response.json())).toMatch(message);
    expect(recorder.events).toEqual([]);
  });
});
