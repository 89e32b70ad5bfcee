import { Injectable } from '@nestjs/common';
import { OnEvent } from '@nestjs/event-emitter';
import { Cron, CronExpression, Interval } from '@nestjs/schedule';
import { TrackEvent } from 'nestjs-posthog-capture';
import { type Order } from './orders.service.js';

/** Events and schedules. A schedule has no current user: specify a `distinctId`, or the event is personless. */
@Injectable()
export class Mailer {
  readonly outbox: string[] = [];

  @OnEvent('order.placed')
  @TrackEvent('confirmation_sent', { properties: ({ args }) => ({ order: (args[0] as Order).id }) })
  confirm({ id }: Order): void {
    this.outbox.push(`Thank you for order ${id}`);
  }

  @Cron(CronExpression.EVERY_SECOND, { name: 'digest' })
  @TrackEvent('digest_sent', { distinctId: 'mailer' })
  digest(): void {
    this.outbox.push('What happened this second');
  }

  @Interval('reminder', 200)
  @TrackEvent('reminder_sent')
  async remind(): Promise<void> {
    await new Promise(setImmediate);
  }
}
