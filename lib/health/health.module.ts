import { Module } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { loadTerminus, PostHogCaptureHealthIndicator } from './health-indicator.js';

/** Provides PostHogCaptureHealthIndicator, for all instances of the application. The boot fails where `@nestjs/terminus` is missing. */
@Module({
  providers: [
    {
      provide: PostHogCaptureHealthIndicator,
      inject: [ModuleRef],
      useFactory: async (modules: ModuleRef) => new PostHogCaptureHealthIndicator(modules, await loadTerminus()),
    },
  ],
  exports: [PostHogCaptureHealthIndicator],
})
export class PostHogCaptureHealthModule {}
