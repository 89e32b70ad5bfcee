import { type INestApplication } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { type CaptureRecorder, overrideCapture } from 'nestjs-posthog-capture/testing';
import 'nestjs-posthog-capture/testing/jest';
import { AppModule } from '../src/app.module.js';
import { CartViewed, InvoiceSent, OrderPlaced, PaymentReceived } from '../src/events.js';

/** Tests the events of the application by their definitions. */
describe('the events of the shop', () => {
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

  const send = async (method: string, path: string, user: string, body?: object): Promise<number> => {
    const headers = { 'content-type': 'application/json', 'x-user': user };
    const request = { method, headers, ...(body && { body: JSON.stringify(body) }) };
    return (await fetch((await app.getUrl()) + path, request)).status;
  };

  it('have the default values of the definition', async () => {
    expect(await send('POST', '/orders', 'ann', { id: 'o1', total: 42 })).toBe(201);
    expect(recorder).toHaveCaptured(OrderPlaced, {
      distinctId: 'ann',
      properties: { order: 'o1', total: 42, currency: 'EUR' },
    });
  });

  it('have a hash in place of an email', async () => {
    await send('POST', '/orders', 'ann', { id: 'o1', total: 42, email: 'ann@example.com' });
    await send('POST', '/orders/o1/invoice', 'ann', { email: 'ann@example.com' });
    const email = expect.stringMatching(/^[0-9a-f]{32}$/);
    expect(recorder).toHaveCaptured(OrderPlaced, { properties: { email } });
    expect(recorder).toHaveCaptured(InvoiceSent, { distinctId: 'ann', properties: { order: 'o1', pages: 1, email } });
  });

  it('are refused in tests if they break the definition', async () => {
    await send('POST', '/orders', 'ann', { id: 'o1', total: -1 });
    expect(recorder).not.toHaveCaptured(OrderPlaced);
  });

  it('are limited to three per person and hour', async () => {
    for (const user of ['bob', 'bob', 'bob', 'bob', 'bob', 'cid']) await send('GET', '/cart', user);
    expect(recorder).toHaveCapturedTimes(CartViewed, 3, { distinctId: 'bob' });
    expect(recorder).toHaveCapturedTimes(CartViewed, 1, { distinctId: 'cid' });
  });

  it('are one for a webhook that came twice', async () => {
    const payment = { id: 'p1', order: 'o1', amount: 42, customer: 'ann', paidAt: '2026-01-02T03:04:05Z' };
    for (let time = 0; time < 2; time++)
      expect(await send('POST', '/webhooks/payments', 'provider', payment)).toBe(201);
    expect(recorder).toHaveCapturedTimes(PaymentReceived, 1, { distinctId: 'ann' });
  });
});
