import { Command, CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { EventEmitter2 } from '@nestjs/event-emitter';
import { TrackEvent } from 'nestjs-posthog-capture';
import { type Order, OrdersService } from './orders.service.js';

export class PlaceOrder extends Command<Order> {
  constructor(readonly id: string) {
    super();
  }
}

/** CQRS: the event belongs to the user of the request or job that executed the command. */
@CommandHandler(PlaceOrder)
export class PlaceOrderHandler implements ICommandHandler<PlaceOrder> {
  constructor(
    private readonly orders: OrdersService,
    private readonly emitter: EventEmitter2,
  ) {}

  @TrackEvent('command_done', { properties: ({ args }) => ({ order: (args[0] as PlaceOrder).id }) })
  async execute({ id }: PlaceOrder): Promise<Order> {
    const order = await this.orders.price(id);
    this.emitter.emit('order.placed', order);
    return order;
  }
}
