import { Test } from '@nestjs/testing';
import { expect, it } from 'vitest';
import { CaptureRecorder, PostHogCaptureTestingModule } from 'nestjs-posthog-capture/testing';
import 'nestjs-posthog-capture/testing/vitest';
import { PurchasesService } from '../src/purchases.service.js';

it('captures a purchase once, with its price', async () => {
  const module = await Test.createTestingModule({
    imports: [PostHogCaptureTestingModule.forRoot()],
    providers: [PurchasesService],
  }).compile();
  const recorder = module.get(CaptureRecorder);

  module.get(PurchasesService).complete('user_1', 99.99);

  expect(recorder).toHaveCapturedTimes('purchase_completed', 1);
  expect(recorder).toHaveCaptured('purchase_completed', {
    distinctId: 'user_1',
    properties: expect.objectContaining({ price: 99.99 }),
  });
});
