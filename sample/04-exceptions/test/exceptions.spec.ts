import { type INestApplication } from '@nestjs/common';
import { SchedulerRegistry } from '@nestjs/schedule';
import { Test } from '@nestjs/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { type CaptureRecorder, overrideCapture } from 'nestjs-posthog-capture/testing';
import 'nestjs-posthog-capture/testing/jest';
import { AppModule } from '../src/app.module.js';
import { DIGEST } from '../src/digest.js';
import { PaymentError } from '../src/payments.service.js';

/** Tests which failures of the application are errors in PostHog, and what they tell. */
describe('the errors of the application', () => {
  let recorder: CaptureRecorder;
  let app: INestApplication;

  beforeAll(async () => {
    const builder = Test.createTestingModule({ imports: [AppModule] });
    recorder = overrideCapture(builder);
    app = (await builder.compile()).createNestApplication({ logger: false });
    await app.listen(0, '127.0.0.1');
    // Runs only when a test starts it.
    await app.get(SchedulerRegistry).getCronJob(DIGEST).stop();
  });
  beforeEach(() => recorder.clear());
  afterAll(() => app.close());

  const request = async (path: string, user: string, method = 'GET'): Promise<number> => {
    const response = await fetch((await app.getUrl()) + path, { method, headers: { 'x-user': user } });
    await response.text();
    return response.status;
  };

  it('a handler that fails is one event of its user, with the cause and the steps', async () => {
    expect(await request('/orders/2/payment', 'ann', 'POST')).toBe(500);
    await recorder.waitFor('$exception', { timeoutMs: 60_000 });
    expect(recorder).toHaveCapturedException(PaymentError, {
      distinctId: 'ann',
      properties: {
        $handler: 'OrdersController.pay',
        $request_route: '/orders/:id/payment',
        $response_status_code: 500,
        $exception_list: [{ type: 'PaymentError' }, { type: 'SyntaxError', mechanism: { source: 'cause' } }],
        $exception_steps: [
          { $message: 'order loaded', order: '2', total: 35 },
          { $message: 'payment_started' },
          { $message: 'charging the card', total: 35 },
        ],
      },
    });
    expect(recorder).toHaveCapturedTimes('$exception', 1);
  });

  it('a guard that fails is one', async () => {
    expect(await request('/admin', 'broken')).toBe(500);
    await recorder.waitFor('$exception', { timeoutMs: 60_000 });
    expect(recorder).toHaveCapturedException('directory of users', { properties: { $request_route: '/admin' } });
  });

  it('a job that fails is one, with its steps', async () => {
    void app.get(SchedulerRegistry).getCronJob(DIGEST).fireOnTick();
    await recorder.waitFor('$exception', { timeoutMs: 60_000 });
    expect(recorder).toHaveCapturedException(RangeError, {
      properties: { $handler: 'Digest.send', $exception_steps: [{ $message: 'collecting the orders of the day' }] },
    });
  });

  it.each([
    ['/orders/1', 'ann', 200],
    ['/orders/3', 'ann', 404],
    ['/nowhere', 'ann', 404],
    ['/admin', 'admin', 200],
    ['/admin', 'ann', 403],
  ])('%s of %s is none: %i', async (path, user, status) => {
    expect(await request(path, user)).toBe(status);
    expect(recorder).not.toHaveCapturedException();
  });
});
