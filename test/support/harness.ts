import { type INestApplicationContext, type LoggerService } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { CaptureService, PostHogCaptureModule, type PostHogCaptureModuleOptions } from 'nestjs-posthog-capture';
import { FakePostHog } from 'nestjs-posthog-capture/testing';

/** A Nest application with the module in it, a local PostHog, and what was logged and dropped. */
export interface Harness {
  readonly app: INestApplicationContext;
  readonly capture: CaptureService;
  readonly posthog: FakePostHog;
  readonly lines: string[];
  readonly drops: { reason: string; event: string; detail: string }[];
}

export const KEY = 'phc_test_key_0123456789';

const open: (() => Promise<unknown>)[] = [];

/** Has something closed by `closeAll`. */
export const onClose = (close: () => Promise<unknown>): void => void open.push(close);

/** Short waits, so that a whole outage fits into a test. */
const QUICK: PostHogCaptureModuleOptions = { retryBaseMs: 4, retryMaxMs: 40, coolDownMs: 60, flushIntervalMs: 5 };

export async function start(options: PostHogCaptureModuleOptions = {}): Promise<Harness> {
  const posthog = await FakePostHog.start({ apiKey: KEY });
  open.push(() => posthog.close());
  return { posthog, ...(await boot({ host: posthog.url, ...options })) };
}

/** The application alone; `host` says where PostHog is. */
export async function boot(options: PostHogCaptureModuleOptions): Promise<Omit<Harness, 'posthog'>> {
  const lines: string[] = [];
  const drops: Harness['drops'] = [];
  const say = (message: unknown): void => void lines.push(String(message));
  const logger: LoggerService = { log: say, warn: say, error: say, debug: () => undefined };
  const module = PostHogCaptureModule.forRoot({
    apiKey: KEY,
    logger,
    ...QUICK,
    onDrop: (drop) => drops.push(drop),
    ...options,
  });
  const app = await NestFactory.createApplicationContext(module, { logger: false, abortOnError: false });
  open.push(() => app.close());
  return { app, capture: app.get(CaptureService), lines, drops };
}

/** Closes everything that a test started; the applications first. */
export async function closeAll(): Promise<void> {
  for (const close of open.splice(0).reverse()) await close();
}

/** What is counted always adds up. */
export function expectBalanced(capture: CaptureService): void {
  const { captured, recovered, delivered, dropped, pending } = capture.stats();
  if (captured + recovered !== delivered + dropped + pending)
    throw new Error(`out of balance: ${JSON.stringify(capture.stats())}`);
}

/** Captures one event for each of `count` persons. Returns the uuids. */
export function captureMany(capture: CaptureService, count: number, persons = count): (string | null)[] {
  return Array.from({ length: count }, (_, index) =>
    capture.capture({ event: `event_${index}`, distinctId: `person_${index % persons}`, properties: { index } }),
  );
}
