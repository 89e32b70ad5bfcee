import { Injectable } from '@nestjs/common';
import { CaptureService, TrackEvent } from 'nestjs-posthog-capture';

export interface Order {
  id: string;
  total: number;
}

/** A provider. Its events belong to the current user, whatever transport the call came from. */
@Injectable()
export class OrdersService {
  readonly cancelled = new Set<string>();

  constructor(private readonly capture: CaptureService) {}

  @TrackEvent('order_priced', {
    properties: ({ args, result }) => ({ order: args[0], total: (result as Order).total }),
  })
  async price(id: string): Promise<Order> {
    await new Promise(setImmediate);
    if (id === '') throw new Error('an order needs an id');
    this.capture.capture({ event: 'stock_checked', properties: { order: id } });
    return { id, total: id.length };
  }

  async cancel(id: string): Promise<void> {
    await new Promise(setImmediate);
    this.cancelled.add(id);
  }
}
