import { Module, ValidationPipe } from '@nestjs/common';
import { ConfigModule } from '@nestjs/config';
import { APP_PIPE } from '@nestjs/core';
import { PostHogCaptureModule } from 'nestjs-posthog-capture';
import { PostHogCaptureInspectorModule } from 'nestjs-posthog-capture/inspector';
import { CaptureController } from './capture.controller.js';
import { HomeController } from './home/home.controller.js';
import { OrdersModule } from './orders/orders.module.js';

@Module({
  imports: [
    ConfigModule.forRoot({ isGlobal: true }),
    PostHogCaptureModule.forRoot(), // reads POSTHOG_API_KEY, POSTHOG_HOST, … from the environment or .env
    PostHogCaptureInspectorModule.forRoot({ enabled: process.env.NODE_ENV !== 'production' }), // shows events live at /_posthog
    OrdersModule,
  ],
  controllers: [HomeController, CaptureController],
  providers: [
    {
      provide: APP_PIPE,
      useFactory: () => new ValidationPipe({ transform: true, whitelist: true, forbidNonWhitelisted: true }),
    },
  ],
})
export class AppModule {}
