import { BadRequestException, Body, Controller, Post } from '@nestjs/common';
import { TrackEvent } from 'nestjs-posthog-capture';
import { PurchasesService } from './purchases.service.js';

class PurchaseDto {
  userId!: string;
  price!: number;
}

@Controller('purchases')
export class PurchasesController {
  constructor(private readonly purchases: PurchasesService) {}

  @Post()
  @TrackEvent('purchase_requested', { on: 'any' })
  complete(@Body() { userId, price }: PurchaseDto): void {
    if (price < 0) throw new BadRequestException();
    this.purchases.complete(userId, price);
  }
}
