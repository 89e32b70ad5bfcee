import { type DynamicModule } from '@nestjs/common';
import { Test, type TestingModule } from '@nestjs/testing';
import { CaptureService, PostHogCaptureModule, type PostHogCaptureModuleOptions } from 'nestjs-posthog-capture';
import { FeatureFlags, FeatureFlagsModule, type FeatureFlagsModuleOptions } from 'nestjs-posthog-capture/flags';
import { type FakePostHog, type StoredEvent } from 'nestjs-posthog-capture/testing';
import { KEY, onClose, startPostHog, watchAnswers, watchedOptions } from './harness.js';

export const SECRET_KEY = 'phs_secret_of_all_tests_0123456789';

export interface FlagsApp {
  readonly module: TestingModule;
  readonly capture: CaptureService;
  readonly flags: FeatureFlags;
  readonly posthog: FakePostHog;
  readonly lines: string[];
  /** Bodies of the requests for values. */
  asked(): Record<string, unknown>[];
  /** Flushes the queue, and returns the stored events, optionally only those with a name. */
  events(name?: string): Promise<StoredEvent[]>;
}

/** An application with feature flags. Time limits are long, except where a test is about them. */
export async function startFlags(
  options: FeatureFlagsModuleOptions = {},
  posthogOptions: PostHogCaptureModuleOptions = {},
  imports: DynamicModule[] = [],
): Promise<FlagsApp> {
  const posthog = await startPostHog();
  const lines: string[] = [];
  const module = await Test.createTestingModule({
    imports: [
      PostHogCaptureModule.forRoot({
        apiKey: KEY,
        host: posthog.url,
        flushIntervalMs: 5,
        concurrency: 1,
        ...watchedOptions(posthogOptions, lines),
      }),
      FeatureFlagsModule.forRoot({ timeoutMs: 10_000, ...options }),
      ...imports,
    ],
  }).compile();
  await module.init();
  onClose(() => module.close());
  const capture = module.get(CaptureService);
  watchAnswers(capture);
  return {
    module,
    capture,
    flags: module.get(FeatureFlags),
    posthog,
    lines,
    asked: () => posthog.flags.requests.map(({ json }) => json as Record<string, unknown>),
    async events(name) {
      await capture.flush();
      return posthog.events.filter(({ event }) => name === undefined || event === name);
    },
  };
}

/** The properties of an event that come from flags. */
export function flagProperties({ properties }: StoredEvent): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(properties).filter(([name]) => name.startsWith('$feature/') || name === '$active_feature_flags'),
  );
}
