import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { redisQueue } from 'nestjs-posthog-capture/redis';
import { PostHogRelayModule } from 'nestjs-posthog-capture/relay';

@Module({
  imports: [PostHogRelayModule.forRoot({ source: redisQueue({ connection: process.env.REDIS_URL! }) })],
})
class RelayModule {}

// Without code: POSTHOG_QUEUE_URL=redis://… npx posthog-capture relay
const app = await NestFactory.createApplicationContext(RelayModule, { logger: ['warn', 'error', 'fatal'] });
app.enableShutdownHooks();
