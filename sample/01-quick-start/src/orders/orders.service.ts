import { randomUUID } from 'node:crypto';
import { Injectable, NotFoundException } from '@nestjs/common';
import { CaptureService } from 'nestjs-posthog-capture';
import { CreateOrderDto } from './create-order.dto.js';
import { OrderPlaced } from './order-placed.event.js';

export interface Product {
  name: string;
  price: number;
}

export interface Order {
  id: string;
  product: string;
  quantity: number;
  total: number;
}

const PRODUCTS: Product[] = [
  { name: 'coffee', price: 4 },
  { name: 'tea', price: 3 },
  { name: 'cake', price: 5 },
];

@Injectable()
export class OrdersService {
  constructor(private readonly posthog: CaptureService) {}

  products(): Product[] {
    return PRODUCTS;
  }

  place({ product, customer, quantity }: CreateOrderDto): Order {
    const price = PRODUCTS.find(({ name }) => name === product)?.price;
    if (price === undefined) throw new NotFoundException(`Unknown product "${product}". See GET /products.`);
    const order = { id: randomUUID(), product, quantity, total: price * quantity };

    // Queues the event and returns immediately. Never throws.
    this.posthog.capture(new OrderPlaced(order), { distinctId: customer });
    return order;
  }
}
