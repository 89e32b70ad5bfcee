import { type INestApplication } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type CaptureRecorder, overrideCapture } from 'nestjs-posthog-capture/testing';
import 'nestjs-posthog-capture/testing/vitest';
import { AppModule } from '../src/app.module.js';

describe('POST /purchases', () => {
  let app: INestApplication;
  let recorder: CaptureRecorder;

  beforeAll(async () => {
    const builder = Test.createTestingModule({ imports: [AppModule] });
    recorder = overrideCapture(builder);
    app = (await builder.compile()).createNestApplication();
    await app.listen(0, '127.0.0.1');
  });
  beforeEach(() => recorder.clear());
  afterAll(() => app.close());

  const post = async (purchase: object) =>
    fetch(`${await app.getUrl()}/purchases`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(purchase),
    });

  it('captures the purchase', async () => {
    await post({ userId: 'user_1', price: 99.99 });

    expect(recorder).toHaveCaptured('purchase_completed', {
      distinctId: 'user_1',
      properties: { price: 99.99, $request_route: '/purchases' },
    });
  });

  it('does not capture a refused purchase', async () => {
    await post({ userId: 'user_1', price: -1 });

    await recorder.waitFor('purchase_requested', { matching: { properties: { $outcome: 'error' } } });
    expect(recorder).not.toHaveCaptured('purchase_completed');
  });
});
