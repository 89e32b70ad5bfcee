import { Module } from '@nestjs/common';
import { PostHogCaptureModule } from 'nestjs-posthog-capture';
import { PurchasesController } from './purchases.controller.js';
import { PurchasesService } from './purchases.service.js';

@Module({
  imports: [PostHogCaptureModule.forRoot()],
  controllers: [PurchasesController],
  providers: [PurchasesService],
})
export class AppModule {}
