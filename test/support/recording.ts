import { type LoggerService } from '@nestjs/common';
import { Test, type TestingModule } from '@nestjs/testing';
import { CaptureService, type PostHogCaptureModuleOptions } from 'nestjs-posthog-capture';
import { CaptureRecorder, PostHogCaptureTestingModule } from 'nestjs-posthog-capture/testing';
import { onClose } from './harness.js';

export interface Recorded {
  readonly module: TestingModule;
  readonly capture: CaptureService;
  readonly recorder: CaptureRecorder;
}

/** A logger without output. */
export const silent: LoggerService = { log: () => undefined, warn: () => undefined, error: () => undefined };

export async function record(options: PostHogCaptureModuleOptions = {}): Promise<Recorded> {
  const imports = [PostHogCaptureTestingModule.forRoot({ logger: silent, ...options })];
  const module = await Test.createTestingModule({ imports }).compile();
  onClose(() => module.close());
  return { module, capture: module.get(CaptureService), recorder: module.get(CaptureRecorder) };
}
