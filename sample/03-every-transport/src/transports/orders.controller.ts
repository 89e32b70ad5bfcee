import { Body, Controller, Post, UseGuards } from '@nestjs/common';
import { TrackEvent } from 'nestjs-posthog-capture';
import { AuthGuard } from '../auth.guard.js';
import { type Order, OrdersService } from './orders.service.js';

/** HTTP, on Express and Fastify. */
@Controller('orders')
export class OrdersController {
  constructor(private readonly orders: OrdersService) {}

  @Post()
  @UseGuards(AuthGuard)
  @TrackEvent('order_placed', { properties: ({ args }) => ({ order: (args[0] as Order).id }) })
  @TrackEvent('order_refused', { on: ['denied', 'error'] })
  place(@Body() { id }: Order): Promise<Order> {
    return this.orders.price(id);
  }
}
