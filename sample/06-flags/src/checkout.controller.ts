import { Controller, Get, Post } from '@nestjs/common';
import { attachContext, CaptureService } from 'nestjs-posthog-capture';
import { Flag, type FlagValue, RequireFlag } from 'nestjs-posthog-capture/flags';
import { Queue } from './queue.js';

@Controller()
export class CheckoutController {
  constructor(
    private readonly capture: CaptureService,
    private readonly queue: Queue,
  ) {}

  /** A 404 for everyone without the flag. */
  @Get('beta')
  @RequireFlag('beta-area')
  beta(): string {
    return 'Welcome to the beta.';
  }

  /** An experiment: the variant decides the steps, and `order_placed` is its goal. */
  @Post('orders')
  order(@Flag('new-checkout', { defaultValue: 'control' }) checkout: FlagValue): { steps: number } {
    const steps = checkout === 'one-page' ? 1 : 3;
    this.capture.capture({ event: 'order_placed', properties: { total: 42 } });
    this.queue.add(attachContext(this.capture, { total: 42 }));
    return { steps };
  }
}
