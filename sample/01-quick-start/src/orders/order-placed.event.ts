import { IsInt, IsNumber, IsString, IsUUID, Min } from 'class-validator';
import { Event, type Props } from 'nestjs-posthog-capture';

/** The definition of an event: the type and the check of its properties. The inspector shows it beside the event. */
@Event('order_placed', { description: 'A customer placed an order' })
export class OrderPlaced {
  @IsUUID()
  id!: string;

  @IsString()
  product!: string;

  @IsInt()
  @Min(1)
  quantity!: number;

  @IsNumber()
  total!: number;

  constructor(properties: Props<OrderPlaced>) {
    Object.assign(this, properties);
  }
}
