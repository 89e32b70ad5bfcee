import { IsEmail, IsInt, IsOptional, IsString, Min } from 'class-validator';
import { defineEvent, Event, Pii, type Props } from 'nestjs-posthog-capture';
import { z } from 'zod';

/** Defined with Zod: call it with properties to get an event. */
export const OrderPlaced = defineEvent(
  'order_placed',
  z.object({
    order: z.string().describe('Id of the order'),
    total: z.number().positive().describe('In the currency, with tax'),
    currency: z.enum(['EUR', 'USD']).default('EUR'),
    email: z.email().optional(),
  }),
  { description: 'A customer placed an order', owner: 'checkout', version: 2, pii: ['email'] },
);

/** At most three per person and hour: a page that reloads is no news. */
export const CartViewed = defineEvent('cart_viewed', z.object({ items: z.int().min(0) }), {
  description: 'A customer looked at the cart',
  owner: 'checkout',
  limit: { perPersonPerHour: 3 },
});

export const PaymentReceived = defineEvent(
  'payment_received',
  z.object({ order: z.string(), amount: z.number().positive() }),
  { description: 'The payment provider reported a payment', owner: 'payments' },
);

/** Nothing captures it any more. Until its definition is removed, the catalog names its successor. */
export const OrderCreated = defineEvent('order_created', z.object({ order: z.string() }), {
  owner: 'checkout',
  deprecated: 'use order_placed',
});

/** Defined by a class with rules of class-validator: create an instance to get an event. */
@Event('invoice_sent', { description: 'An invoice was sent to a customer', owner: 'payments' })
export class InvoiceSent {
  @IsString()
  order!: string;

  @IsInt()
  @Min(1)
  pages!: number;

  @IsOptional()
  @IsEmail()
  @Pii()
  email?: string;

  constructor(properties: Props<InvoiceSent>) {
    Object.assign(this, properties);
  }
}

export const CATALOG = [OrderPlaced, CartViewed, PaymentReceived, OrderCreated, InvoiceSent];
