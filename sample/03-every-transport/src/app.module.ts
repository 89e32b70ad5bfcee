import { ApolloDriver, type ApolloDriverConfig } from '@nestjs/apollo';
import { BullModule } from '@nestjs/bullmq';
import { type DynamicModule, Module } from '@nestjs/common';
import { CqrsModule } from '@nestjs/cqrs';
import { EventEmitterModule } from '@nestjs/event-emitter';
import { GraphQLModule } from '@nestjs/graphql';
import { ClientsModule, Transport } from '@nestjs/microservices';
import { ScheduleModule } from '@nestjs/schedule';
import { type CaptureContext, type CallSource, PostHogCaptureModule } from 'nestjs-posthog-capture';
import { type AuthenticatedRequest } from './auth.guard.js';
import { CommandsController, ORDERS_CLIENT } from './transports/commands.controller.js';
import { InvoicesProcessor } from './transports/invoices.processor.js';
import { Mailer } from './transports/mailer.js';
import { OrdersController } from './transports/orders.controller.js';
import { OrdersGateway } from './transports/orders.gateway.js';
import { OrdersMessages } from './transports/orders.messages.js';
import { OrdersResolver } from './transports/orders.resolver.js';
import { OrdersService } from './transports/orders.service.js';
import { PlaceOrderHandler } from './transports/place-order.handler.js';

export interface Ports {
  /** Port of this application's own TCP microservice. */
  readonly tcp: number;
  /** Port of a local Redis server, for jobs and messages; undefined disables both. */
  readonly redis: number | undefined;
}

/** The current user for all transports, as set by the guard. */
export function identity({ request }: CallSource): CaptureContext | undefined {
  const user = (request as AuthenticatedRequest | undefined)?.user;
  return user && { distinctId: user.id, groups: { company: user.company } };
}

@Module({})
export class AppModule {
  static for({ tcp, redis }: Ports): DynamicModule {
    const connection = { host: '127.0.0.1', port: redis };
    return {
      module: AppModule,
      imports: [
        PostHogCaptureModule.forRoot({ identity }),
        GraphQLModule.forRoot<ApolloDriverConfig>({ driver: ApolloDriver, autoSchemaFile: true }),
        ScheduleModule.forRoot(),
        EventEmitterModule.forRoot(),
        CqrsModule.forRoot(),
        ClientsModule.register([
          { name: ORDERS_CLIENT, transport: Transport.TCP, options: { host: '127.0.0.1', port: tcp } },
        ]),
        ...(redis === undefined
          ? []
          : [BullModule.forRoot({ connection }), BullModule.registerQueue({ name: 'invoices' })]),
      ],
      controllers: [OrdersController, OrdersMessages, CommandsController],
      providers: [
        OrdersService,
        OrdersResolver,
        OrdersGateway,
        PlaceOrderHandler,
        Mailer,
        ...(redis === undefined ? [] : [InvoicesProcessor]),
      ],
    };
  }
}
