// This package as in an application: a Nest application that imports the module from dist/esm.
import { NestFactory } from '@nestjs/core';
import { CaptureService, PostHogCaptureModule } from 'nestjs-posthog-capture';
import { eventOf } from '../support/event.mjs';

class Application {}

/** Options set by benchmarks; all others have their defaults. */
export async function moduleOptions({ url, mode, batch, window, storePath, durability }) {
  return {
    apiKey: 'phc_bench',
    host: url,
    captureMode: mode,
    ...(batch !== undefined && { flushAt: batch, maxBatchEvents: batch }),
    // `ready()` waits while the queue is more than half full.
    ...(window !== undefined && { maxQueueEvents: window * 2 }),
    ...(storePath !== undefined && { store: await storeAt(storePath, durability) }),
  };
}

async function storeAt(path, durability) {
  const { fileEventStore } = await import('nestjs-posthog-capture/store');
  return fileEventStore({ path, ...(durability !== undefined && { durability }) });
}

export async function open(options) {
  const module = {
    module: Application,
    imports: [PostHogCaptureModule.forRoot({ ...(await moduleOptions(options)), ...options.more })],
  };
  const app = await NestFactory.createApplicationContext(module, { logger: ['error', 'warn'] });
  const capture = app.get(CaptureService);
  return {
    service: capture,
    capture: (n) => void capture.capture(eventOf(n)),
    room: () => capture.ready(),
    drain: () => capture.flush({ timeoutMs: 600_000 }),
    close: () => app.close(),
  };
}
