import { Test } from '@nestjs/testing';
import { expect, it } from '@jest/globals';
import { CaptureRecorder, PostHogCaptureTestingModule } from 'nestjs-posthog-capture/testing';
import 'nestjs-posthog-capture/testing/jest';
import { OrderPlaced } from '../src/orders/order-placed.event.js';
import { OrdersService } from '../src/orders/orders.service.js';

/** Tests a provider that captures events. */
it('captures an order once, with its total', async () => {
  const module = await Test.createTestingModule({
    imports: [PostHogCaptureTestingModule.forRoot()],
    providers: [OrdersService],
  }).compile();
  const recorder = module.get(CaptureRecorder);

  const order = module.get(OrdersService).place({ product: 'tea', customer: 'user_123', quantity: 3 });

  expect(recorder).toHaveCapturedTimes(OrderPlaced, 1);
  expect(recorder).toHaveCaptured(OrderPlaced, {
    distinctId: 'user_123',
    properties: expect.objectContaining({ id: order.id, total: 9 }),
  });
});
