import { InjectQueue } from '@nestjs/bullmq';
import { Controller, Inject, Optional, Param, Post, ServiceUnavailableException, UseGuards } from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import { ClientProxy } from '@nestjs/microservices';
import { type Queue } from 'bullmq';
import { attachContext, CaptureService } from 'nestjs-posthog-capture';
import { type Observable } from 'rxjs';
import { AuthGuard } from '../auth.guard.js';
import { type Order } from './orders.service.js';
import { PlaceOrder } from './place-order.handler.js';

export const ORDERS_CLIENT = Symbol('the orders microservice');

/** Requests that pass their work to a command, a message or a job, with the context of the current user. */
@UseGuards(AuthGuard)
@Controller()
export class CommandsController {
  constructor(
    private readonly commands: CommandBus,
    private readonly capture: CaptureService,
    @Inject(ORDERS_CLIENT) private readonly client: ClientProxy,
    @Optional() @InjectQueue('invoices') private readonly invoices?: Queue,
  ) {}

  @Post('commands/:id')
  command(@Param('id') id: string): Promise<Order> {
    return this.commands.execute(new PlaceOrder(id));
  }

  @Post('messages/:id')
  message(@Param('id') id: string): Observable<Order> {
    return this.client.send<Order>('orders.place', attachContext(this.capture, { id }));
  }

  @Post('jobs/:id')
  async job(@Param('id') id: string): Promise<{ job: string | undefined }> {
    if (!this.invoices) throw new ServiceUnavailableException('Jobs need a Redis server: set REDIS_PORT');
    const { id: job } = await this.invoices.add('invoice', attachContext(this.capture, { id }));
    return { job };
  }
}
