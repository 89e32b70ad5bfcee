import { Controller } from '@nestjs/common';
import { EventPattern, MessagePattern, Payload, RpcException } from '@nestjs/microservices';
import { RestoreContext, TrackEvent } from 'nestjs-posthog-capture';
import { type Order, OrdersService } from './orders.service.js';

/** Microservice messages over TCP and Redis. The user comes from the context that the sender attached with `attachContext`. */
@Controller()
export class OrdersMessages {
  constructor(private readonly orders: OrdersService) {}

  @MessagePattern('orders.place')
  @RestoreContext()
  @TrackEvent('order_placed', { on: 'any', properties: ({ args }) => ({ order: (args[0] as Order).id }) })
  async place(@Payload() { id }: Order): Promise<Order> {
    if (id === 'none') throw new RpcException('unknown order');
    return this.orders.price(id);
  }

  @EventPattern('orders.cancelled')
  @RestoreContext()
  @TrackEvent('order_cancelled', { properties: ({ args }) => ({ order: (args[0] as Order).id }) })
  async cancelled(@Payload() { id }: Order): Promise<void> {
    await this.orders.cancel(id);
  }
}
