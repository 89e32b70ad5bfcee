import { Injectable } from '@nestjs/common';
import { Cron, CronExpression } from '@nestjs/schedule';
import { CaptureService } from 'nestjs-posthog-capture';

export const DIGEST = 'digest';

/** A job that fails: Nest only logs its error. */
@Injectable()
export class Digest {
  constructor(private readonly capture: CaptureService) {}

  @Cron(CronExpression.EVERY_MINUTE, { name: DIGEST })
  async send(): Promise<void> {
    this.capture.step('collecting the orders of the day');
    await Promise.reject(new RangeError('The digest has no recipients'));
  }
}
