import { Injectable } from '@nestjs/common';
import { CaptureService } from 'nestjs-posthog-capture';

export class PaymentError extends Error {
  override readonly name = 'PaymentError';
}

@Injectable()
export class PaymentsService {
  constructor(private readonly capture: CaptureService) {}

  charge(card: string, total: number): void {
    this.capture.step('charging the card', { total });
    try {
      JSON.parse(card);
    } catch (cause) {
      throw new PaymentError('The card could not be charged', { cause });
    }
  }
}
