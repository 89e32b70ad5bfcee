import { Module } from '@nestjs/common';
import { type CallSource, PostHogCaptureModule } from 'nestjs-posthog-capture';
import { PostHogCaptureInspectorModule } from 'nestjs-posthog-capture/inspector';
import { CATALOG } from './events.js';
import { ShopController } from './shop.controller.js';

interface Request {
  readonly headers: Readonly<Record<string, string | undefined>>;
}

@Module({
  imports: [
    PostHogCaptureModule.forRoot({
      identity: ({ request }: CallSource) => (request as Request | undefined)?.headers['x-user'],
      events: {
        catalog: CATALOG,
        // An email is sent as a hash, with which people can still be counted.
        pii: 'hash',
        piiSecret: process.env.PII_SECRET ?? 'a secret of this sample',
      },
    }),
    PostHogCaptureInspectorModule.forRoot({ enabled: process.env.NODE_ENV !== 'production' }),
  ],
  controllers: [ShopController],
})
export class AppModule {}
