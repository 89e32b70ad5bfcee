import { Injectable, NotFoundException } from '@nestjs/common';
import { CaptureService } from 'nestjs-posthog-capture';
import { PaymentsService } from './payments.service.js';

export interface Order {
  readonly id: string;
  readonly total: number;
  /** As the card terminal wrote it, in JSON. */
  readonly card: string;
}

const ORDERS: readonly Order[] = [
  { id: '1', total: 20, card: '{"number":"4242"}' },
  { id: '2', total: 35, card: '{"number":' },
];

@Injectable()
export class OrdersService {
  constructor(
    private readonly capture: CaptureService,
    private readonly payments: PaymentsService,
  ) {}

  find(id: string): Order {
    const order = ORDERS.find((one) => one.id === id);
    if (order === undefined) throw new NotFoundException(`There is no order ${id}`);
    return order;
  }

  pay(id: string): { readonly paid: number } {
    const order = this.find(id);
    // Only sent if the request fails later.
    this.capture.step('order loaded', { order: id, total: order.total });
    // The names of events are steps as well.
    this.capture.capture({ event: 'payment_started', properties: { total: order.total } });
    this.payments.charge(order.card, order.total);
    return { paid: order.total };
  }
}
