import { Injectable } from '@nestjs/common';
import { CaptureService } from 'nestjs-posthog-capture';

export const PRICES: ReadonlyMap<string, number> = new Map([
  ['tea', 4.5],
  ['teapot', 39],
]);

export interface Order {
  id: number;
  total: number;
}

@Injectable()
export class ShopService {
  private orders = 0;

  constructor(private readonly capture: CaptureService) {}

  placeOrder(customer: string, product: string, quantity: number): Order {
    const order = { id: ++this.orders, total: (PRICES.get(product) ?? 0) * quantity };
    // Returns at once: the event is queued, sent in the background, and kept while PostHog cannot be reached.
    this.capture.capture({
      event: 'order_placed',
      distinctId: customer,
      properties: { product, quantity, total: order.total },
    });
    return order;
  }
}
