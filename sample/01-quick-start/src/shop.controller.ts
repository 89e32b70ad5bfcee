import { Body, Controller, Get, Header, HttpCode, Post } from '@nestjs/common';
import { CaptureEventDto, type CaptureResult, CaptureService } from 'nestjs-posthog-capture';
import { Destination } from './destination.js';
import { PlaceOrderDto } from './place-order.dto.js';
import { type Order, PRICES, ShopService } from './shop.service.js';
import { welcomePage } from './welcome-page.js';

@Controller()
export class ShopController {
  constructor(
    private readonly shop: ShopService,
    private readonly capture: CaptureService,
    private readonly destination: Destination,
  ) {}

  @Get()
  @Header('Content-Type', 'text/html; charset=utf-8')
  welcome(): string {
    return welcomePage(this.destination.eventsPage);
  }

  @Get('products')
  products(): { product: string; price: number }[] {
    return [...PRICES].map(([product, price]) => ({ product, price }));
  }

  @Post('orders')
  placeOrder(@Body() { customer, product, quantity }: PlaceOrderDto): Order {
    return this.shop.placeOrder(customer, product, quantity);
  }

  /** Sends any event and answers with what PostHog said. */
  @Post('capture')
  @HttpCode(200)
  captureEvent(@Body() event: CaptureEventDto): Promise<CaptureResult> {
    return this.capture.captureNow(event);
  }
}
