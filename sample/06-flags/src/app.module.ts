import { Module } from '@nestjs/common';
import { type CallSource, PostHogCaptureModule } from 'nestjs-posthog-capture';
import { FeatureFlagsModule } from 'nestjs-posthog-capture/flags';
import { PostHogCaptureInspectorModule } from 'nestjs-posthog-capture/inspector';
import { CheckoutController } from './checkout.controller.js';
import { Queue } from './queue.js';
import { ReceiptsProcessor } from './receipts.processor.js';

interface Request {
  readonly headers: Readonly<Record<string, string | undefined>>;
}

@Module({
  imports: [
    PostHogCaptureModule.forRoot({
      // The current user, for flags as for events.
      identity: ({ request }: CallSource) => (request as Request | undefined)?.headers['x-user'],
    }),
    FeatureFlagsModule.forRootAsync({
      // The time that a user may wait for a flag.
      useFactory: () => ({ timeoutMs: Number(process.env.FLAGS_TIMEOUT_MS ?? 500) }),
    }),
    PostHogCaptureInspectorModule.forRoot({ enabled: process.env.NODE_ENV !== 'production' }),
  ],
  controllers: [CheckoutController],
  providers: [Queue, ReceiptsProcessor],
})
export class AppModule {}
