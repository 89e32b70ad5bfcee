import { Module } from '@nestjs/common';
import { ScheduleModule } from '@nestjs/schedule';
import { type CallSource, PostHogCaptureModule } from 'nestjs-posthog-capture';
import { PostHogCaptureInspectorModule } from 'nestjs-posthog-capture/inspector';
import { AdminController } from './admin.controller.js';
import { CrashController } from './crash.controller.js';
import { Digest } from './digest.js';
import { OrdersController } from './orders.controller.js';
import { OrdersService } from './orders.service.js';
import { PaymentsService } from './payments.service.js';

interface Request {
  readonly headers: Readonly<Record<string, string | undefined>>;
}

@Module({
  imports: [
    PostHogCaptureModule.forRoot({
      // The current user, for errors as for all other events.
      identity: ({ request }: CallSource) => (request as Request | undefined)?.headers['x-user'],
      exceptions: true,
    }),
    PostHogCaptureInspectorModule.forRoot({ enabled: process.env.NODE_ENV !== 'production' }),
    ScheduleModule.forRoot(),
  ],
  controllers: [OrdersController, AdminController, CrashController],
  providers: [OrdersService, PaymentsService, Digest],
})
export class AppModule {}
