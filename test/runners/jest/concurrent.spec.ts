import { type INestApplication } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { type CaptureRecorder, overrideCapture } from 'nestjs-posthog-capture/testing';
import 'nestjs-posthog-capture/testing/jest';
import { AppModule } from '../src/app.module.js';
import { PurchasesService } from '../src/purchases.service.js';

let app: INestApplication;
let recorder: CaptureRecorder;

beforeAll(async () => {
  const builder = Test.createTestingModule({ imports: [AppModule] });
  recorder = overrideCapture(builder);
  app = (await builder.compile()).createNestApplication();
  await app.listen(0, '127.0.0.1');
});
afterAll(() => app.close());

it.concurrent.each(['user_1', 'user_2', 'user_3'])('captures the purchases of %s', (userId) =>
  recorder.isolate(async (own) => {
    app.get(PurchasesService).complete(userId, 5);
    await fetch(`${await app.getUrl()}/purchases`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...own.headers },
      body: JSON.stringify({ userId, price: 7 }),
    });

    expect(own).toHaveCapturedTimes('purchase_completed', 2);
    expect(own).toHaveCapturedTimes('purchase_completed', 2, { distinctId: userId });
  }),
);
