import { Test } from '@nestjs/testing';
import { CaptureService, PostHogCaptureModule } from 'nestjs-posthog-capture';
import { FakePostHog } from 'nestjs-posthog-capture/testing';

let posthog: FakePostHog;
beforeEach(async () => {
  posthog = await FakePostHog.start();
});
afterEach(() => posthog.close());

it('loses nothing while PostHog is unavailable', async () => {
  const options = { apiKey: 'phc_test', host: posthog.url, retryBaseMs: 1, flushIntervalMs: 10 };
  const module = await Test.createTestingModule({ imports: [PostHogCaptureModule.forRoot(options)] }).compile();
  const capture = module.get(CaptureService);
  posthog.fail([{ status: 503 }, { reset: 'after' }]);

  const uuids = ['user_1', 'user_2'].map((distinctId) => capture.capture({ event: 'purchase_completed', distinctId }));
  await module.close(); // sends what is left

  // rows: the events as PostHog shows them; an event that was sent twice appears once.
  expect(posthog.rows.map(({ uuid }) => uuid)).toEqual(uuids);
  expect(posthog.requests.map(({ status }) => status)).toEqual([503, null, 200]);
  expect(posthog.violations).toEqual([]);
  expect(capture.stats()).toMatchObject({ captured: 2, delivered: 2, dropped: 0, pending: 0 });
});
