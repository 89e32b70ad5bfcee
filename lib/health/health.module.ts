import { Module } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { loadTerminus, PostHogCaptureHealthIndicator } from './health-indicator.js';

/**
 * Provides PostHogCaptureHealthIndicator, which checks every instance of the application. Needs `@nestjs/terminus`: if that package is
 * missing, the application does not start.
 */
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
