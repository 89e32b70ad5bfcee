import { Injectable } from '@nestjs/common';
import { CaptureService, RestoreContext } from 'nestjs-posthog-capture';
import { FeatureFlags } from 'nestjs-posthog-capture/flags';

@Injectable()
export class ReceiptsProcessor {
  constructor(
    private readonly capture: CaptureService,
    private readonly flags: FeatureFlags,
  ) {}

  /** The job of an order has the value that its request had, even if the flag has changed since. */
  @RestoreContext()
  async process({ data }: { data: { total: number } }): Promise<void> {
    const checkout = (await this.flags.value('new-checkout')) ?? 'control';
    this.capture.capture({ event: 'receipt_sent', properties: { total: data.total, template: checkout } });
  }
}
