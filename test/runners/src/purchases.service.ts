import { Injectable } from '@nestjs/common';
import { CaptureService } from 'nestjs-posthog-capture';

@Injectable()
export class PurchasesService {
  constructor(private readonly posthog: CaptureService) {}

  complete(userId: string, price: number): void {
    this.posthog.capture({ event: 'purchase_completed', distinctId: userId, properties: { price, currency: 'EUR' } });
  }
}
