import { type INestApplicationContext, type LoggerService } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  CaptureService,
  type EventDrop,
  PostHogCaptureModule,
  type PostHogCaptureModuleOptions,
} from 'nestjs-posthog-capture';
import { type FakePostHog, type FakePostHogOptions } from 'nestjs-posthog-capture/testing';
import { CANARY, expectNoLeak, KEY, watch } from './secrets.js';
import { PATIENCE_MS } from './until.js';
import { startPatientPostHog } from './patient-posthog.js';

export { KEY } from './secrets.js';

/** A Nest application with the module, and a local PostHog. */
export interface Harness {
  readonly app: INestApplicationContext;
  readonly capture: CaptureService;
  readonly posthog: FakePostHog;
  /** Log lines. */
  readonly lines: string[];
  readonly drops: { reason: string; event: string; detail: string }[];
}

const open: (() => Promise<unknown>)[] = [];
const started = new Set<FakePostHog>();

/** Registers a function for `closeAll` to call. */
export const onClose = (close: () => Promise<unknown>): void => void open.push(close);

/** Time limits that a busy machine does not reach. */
export const PATIENT = { requestTimeoutMs: PATIENCE_MS, shutdownTimeoutMs: PATIENCE_MS };

/** Short intervals, so that a test can cover a whole outage. */
const QUICK: PostHogCaptureModuleOptions = { retryBaseMs: 4, retryMaxMs: 40, coolDownMs: 60, flushIntervalMs: 5 };

export async function start(options: PostHogCaptureModuleOptions = {}): Promise<Harness> {
  const posthog = await startPostHog();
  return { posthog, ...(await boot({ host: posthog.url, ...options })) };
}

/** The application alone, for a given `host`. */
export async function boot(options: PostHogCaptureModuleOptions): Promise<Omit<Harness, 'posthog'>> {
  const lines: string[] = [];
  const drops: Harness['drops'] = [];
  const module = PostHogCaptureModule.forRoot({
    apiKey: KEY,
    ...PATIENT,
    ...QUICK,
    ...watchedOptions(options, lines),
    onDrop: (drop): unknown => {
      watch('onDrop', drop);
      const given: ((drop: EventDrop) => unknown) | undefined = options.onDrop;
      return given ? given(drop) : drops.push(drop);
    },
  });
  const booting = NestFactory.createApplicationContext(module, { logger: false, abortOnError: false });
  booting.catch((error: unknown) => watch('an error at boot', error));
  const app = await booting;
  open.push(() => app.close());
  const capture = app.get(CaptureService);
  watchAnswers(capture);
  return { app, capture, lines, drops };
}

/** A local PostHog. When it is closed, its page and violations are checked for the API key. */
export async function startPostHog(options?: FakePostHogOptions): Promise<FakePostHog> {
  const posthog = await startPatientPostHog(options);
  started.add(posthog);
  open.push(async () => {
    const page = await fetch(posthog.url).catch(() => null);
    watch('the page', (await page?.text()) ?? '', [KEY]);
    watch('violations', posthog.violations, [KEY]);
    await posthog.close();
  });
  return posthog;
}

/** Adds a canary to each event and a logger, both to detect leaks. */
export function watchedOptions(options: PostHogCaptureModuleOptions, lines: string[]): PostHogCaptureModuleOptions {
  const say = (message: unknown): void => {
    watch('a line', message);
    lines.push(String(message));
  };
  const logger: LoggerService = { log: say, warn: say, error: say, debug: (message) => watch('a line', message) };
  return { logger, superProperties: { canary: CANARY }, ...options };
}

/** Number of arguments before the options with `timeoutMs`. */
const INPUTS = { captureNow: 1, flush: 0, onApplicationShutdown: null };

/** Checks the results and errors of a service, and the service itself, for leaks. Calls without a time limit get a long one. */
export function watchAnswers(capture: CaptureService): void {
  for (const method of ['captureNow', 'flush', 'onApplicationShutdown'] as const) {
    const original = capture[method].bind(capture) as (...given: unknown[]) => Promise<unknown>;
    const watched = (...given: unknown[]): Promise<unknown> => {
      const answer = original(...given, ...(given.length === INPUTS[method] ? [{ timeoutMs: PATIENCE_MS }] : []));
      answer.then(
        (value) => watch(method, value),
        (error: unknown) => watch(method, error),
      );
      return answer;
    };
    Object.defineProperty(capture, method, { value: watched, configurable: true });
  }
  watch('the service', capture);
}

/** Closes everything that a test opened, in reverse order. */
export async function closeAll(): Promise<void> {
  // Otherwise applications that have unsent events wait until their time limit.
  for (const posthog of started) {
    posthog.failWhen(null);
    posthog.failAlways(null);
  }
  started.clear();
  for (const close of open.splice(0).reverse()) await close();
  expectNoLeak();
}

/** Checks that captured + recovered = delivered + dropped + pending. */
export function expectBalanced(capture: CaptureService): void {
  const { captured, recovered, delivered, dropped, pending } = capture.stats();
  if (captured + recovered !== delivered + dropped + pending)
    throw new Error(`the counts do not add up: ${JSON.stringify(capture.stats())}`);
}

/** Captures `count` events of `persons` persons in turn. Returns the uuids. */
export function captureMany(capture: CaptureService, count: number, persons = count): (string | null)[] {
  return Array.from({ length: count }, (_, index) =>
    capture.capture({ event: `event_${index}`, distinctId: `person_${index % persons}`, properties: { index } }),
  );
}
