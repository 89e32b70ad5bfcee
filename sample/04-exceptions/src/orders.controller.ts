import { Controller, Get, Param, Post } from '@nestjs/common';
import { type Order, OrdersService } from './orders.service.js';

@Controller('orders')
export class OrdersController {
  constructor(private readonly orders: OrdersService) {}

  /** Unknown orders are a 404: expected, and so no event. */
  @Get(':id')
  find(@Param('id') id: string): Order {
    return this.orders.find(id);
  }

  /** Order 2 has a damaged card: a 500 with a cause and steps. */
  @Post(':id/payment')
  pay(@Param('id') id: string): { readonly paid: number } {
    return this.orders.pay(id);
  }
}
