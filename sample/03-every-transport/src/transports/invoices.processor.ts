import { Processor, WorkerHost } from '@nestjs/bullmq';
import { type Job } from 'bullmq';
import { RestoreContext, TrackEvent } from 'nestjs-posthog-capture';
import { type Order, OrdersService } from './orders.service.js';

/** BullMQ: a job runs in the context that `attachContext` added when it was queued. */
@Processor('invoices', { concurrency: 50 })
export class InvoicesProcessor extends WorkerHost {
  constructor(private readonly orders: OrdersService) {
    super();
  }

  @RestoreContext()
  @TrackEvent('invoice_written', { on: 'any', properties: ({ args }) => ({ order: (args[0] as Job<Order>).data.id }) })
  override process({ data }: Job<Order>): Promise<Order> {
    return this.orders.price(data.id);
  }
}
