import { UseGuards } from '@nestjs/common';
import { Args, Field, Int, Mutation, ObjectType, Query, Resolver } from '@nestjs/graphql';
import { TrackEvent } from 'nestjs-posthog-capture';
import { AuthGuard } from '../auth.guard.js';
import { OrdersService } from './orders.service.js';

@ObjectType()
export class PlacedOrder {
  @Field(() => String)
  id!: string;

  @Field(() => Int)
  total!: number;
}

/** GraphQL, code first: once per operation. */
@Resolver(() => PlacedOrder)
export class OrdersResolver {
  constructor(private readonly orders: OrdersService) {}

  @Query(() => String)
  motto(): string {
    return 'every transport';
  }

  @Mutation(() => PlacedOrder)
  @UseGuards(AuthGuard)
  @TrackEvent('order_placed', { on: 'any', properties: ({ args }) => ({ order: args[0] as string }) })
  placeOrder(@Args('id', { type: () => String }) id: string): Promise<PlacedOrder> {
    return this.orders.price(id);
  }
}
