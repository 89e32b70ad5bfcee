import { Body, Controller, Get, Post } from '@nestjs/common';
import { CreateOrderDto } from './create-order.dto.js';
import { type Order, OrdersService, type Product } from './orders.service.js';

@Controller()
export class OrdersController {
  constructor(private readonly orders: OrdersService) {}

  @Get('products')
  products(): Product[] {
    return this.orders.products();
  }

  @Post('orders')
  place(@Body() order: CreateOrderDto): Order {
    return this.orders.place(order);
  }
}
