import { Body, Controller, Get, Param, Post } from '@nestjs/common';
import { CaptureService, TrackEvent } from 'nestjs-posthog-capture';
import { CartViewed, InvoiceSent, OrderPlaced, PaymentReceived } from './events.js';

interface Order {
  readonly id: string;
  readonly total: number;
  readonly email?: string;
}

function propertiesOf({ id, total, email }: Order) {
  return { order: id, total, email };
}

interface Payment {
  readonly id: string;
  readonly order: string;
  readonly amount: number;
  readonly customer: string;
  readonly paidAt: string;
}

@Controller()
export class ShopController {
  constructor(private readonly capture: CaptureService) {}

  /** The compiler checks the properties against the definition; `capture` checks the values. */
  @Post('orders')
  @TrackEvent(OrderPlaced, { properties: ({ result }) => propertiesOf(result as Order) })
  order(@Body() order: Order): Order {
    return order;
  }

  @Get('cart')
  cart(): { items: number } {
    const cart = { items: 2 };
    this.capture.capture(CartViewed(cart));
    return cart;
  }

  @Post('orders/:id/invoice')
  invoice(@Param('id') order: string, @Body() { email }: { email?: string }): { pages: number } {
    const pages = 1;
    this.capture.capture(new InvoiceSent({ order, pages, email }), {});
    return { pages };
  }

  /** A webhook, which the provider repeats until it gets a response: all of them are one event, in PostHog as well. */
  @Post('webhooks/payments')
  payment(@Body() { id, order, amount, customer, paidAt }: Payment): { received: boolean } {
    const envelope = { distinctId: customer, timestamp: paidAt, dedupeKey: id };
    this.capture.capture(PaymentReceived({ order, amount }, envelope));
    return { received: true };
  }
}
