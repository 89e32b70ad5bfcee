import { afterEach, describe, expect, it } from '@jest/globals';
import { type PostHogCaptureModuleOptions } from 'nestjs-posthog-capture';
import { type FakePostHog } from 'nestjs-posthog-capture/testing';
import { Books } from '../support/books.js';
import { closeAll, type Harness, start } from '../support/harness.js';

afterEach(closeAll);

async function follow(options: PostHogCaptureModuleOptions): Promise<Harness & { readonly books: Books }> {
  const books = new Books();
  const harness = await start({ ...options, ...books.listeners });
  books.follow(harness.capture);
  return { ...harness, books };
}

/** Returns true if no requests overlapped. */
function oneByOne({ requests }: FakePostHog): boolean {
  return requests.slice(0, -1).every(({ status }) => status !== null);
}

describe.each(['v0', 'v1'] as const)('%s', (captureMode) => {
  it('survives dozens of cool-downs with one request each, then delivers everything in order', async () => {
    const { books, capture, posthog, lines } = await follow({
      captureMode,
      maxRetries: 2,
      concurrency: 3,
      coolDownMs: 10,
      maxBatchEvents: 50,
    });
    const answers = [{ status: 500 }, { status: 503, retryAfter: 3600 }, { status: 502 }, { status: 401 }] as const;
    let sideBySide = false;
    posthog.failWhen(({ index }) => {
      // The first batches are sent concurrently and fail together.
      if (index > 9) sideBySide ||= !oneByOne(posthog);
      return answers[index % answers.length] ?? null;
    });
    for (let probes = 10; probes <= 60; probes += 10) {
      for (let index = 0; index < 40; index += 1) books.captureOne(`person_${index % 13}`);
      await posthog.waitForRequests(probes);
      books.sample();
    }
    expect(sideBySide).toBe(false);
    expect(capture.stats()).toMatchObject({ captured: 240, pending: 240, dropped: 0, delivered: 0 });
    // One line per minute for each kind of failure.
    expect(lines.length).toBeLessThanOrEqual(4);
    posthog.failWhen(null);
    await books.drain();
    books.check(posthog);
    expect(posthog.duplicates).toEqual([]);
    expect(lines.filter((line) => line.includes('responds again'))).toHaveLength(1);
  });

  it.each([
    ['count', 500, 10_000_000],
    ['bytes', 10_000, 100_000],
  ])(
    'keeps the newest events within the limit by %s, and reports the dropped ones',
    async (_, maxQueueEvents, maxQueueBytes) => {
      const { books, capture, posthog, lines } = await follow({
        captureMode,
        maxQueueEvents,
        maxQueueBytes,
        maxRetries: 1,
        coolDownMs: 20,
        maxBatchEvents: 50,
      });
      posthog.failAlways({ status: 503 });
      const uuids: (string | null)[] = [];
      for (let index = 0; index < 8000; index += 1) {
        uuids.push(books.captureOne(`person_${index % 300}`));
        const { pending, pendingBytes } = capture.stats();
        if (pending > maxQueueEvents || pendingBytes > maxQueueBytes) throw new Error('the limit is exceeded');
        if (index % 500 === 0) await posthog.waitForRequests(posthog.requests.length + 1);
      }
      expect(uuids).not.toContain(null);
      const { pending, dropped, droppedByReason } = capture.stats();
      expect(dropped).toBe(8000 - pending);
      expect(droppedByReason).toEqual({ queue_full: dropped });
      expect(books.dropped('queue_full')).toBe(dropped);
      expect(lines.filter((line) => line.includes('queue_full'))).toHaveLength(1);
      posthog.failAlways(null);
      await books.drain();
      books.check(posthog);
      // Events in flight when the limit was reached are kept although they are older; at most two batches.
      const stored = new Set(posthog.rows.map(({ uuid }) => uuid));
      const newest = uuids.slice(-(pending - 100));
      expect(newest.filter((uuid) => !stored.has(uuid ?? ''))).toEqual([]);
    },
  );
});

it('ready() pauses bulk work during an outage, and nothing is lost', async () => {
  const { books, capture, posthog } = await follow({ maxQueueEvents: 100, maxRetries: 0, coolDownMs: 20 });
  posthog.failAlways({ status: 503 });
  const work = async (): Promise<void> => {
    for (let index = 0; index < 600; index += 1) {
      await capture.ready();
      books.captureOne(`person_${index % 20}`);
    }
  };
  const working = work();
  await posthog.waitForRequests(10);
  expect(capture.stats()).toMatchObject({ captured: 50, pending: 50, dropped: 0 });
  posthog.failAlways(null);
  await working;
  await books.drain();
  books.check(posthog);
  expect(capture.stats()).toMatchObject({ delivered: 600, dropped: 0 });
});

it('resolves thousands of waiting calls at their timeout', async () => {
  const { capture, posthog } = await follow({});
  posthog.failAlways({ hang: true });
  // CPU time, which does not depend on other processes.
  const cpuMs = (): number => process.cpuUsage().user / 1000;
  const before = cpuMs();
  const calls = Array.from({ length: 20_000 }, (_, index) =>
    capture.captureNow({ event: 'now', distinctId: `person_${index}` }, { timeoutMs: 300 }),
  );
  const capturedMs = cpuMs() - before;
  const results = await Promise.all(calls);
  expect(results.filter(({ error }) => error !== 'PostHog request timed out after 300 ms')).toEqual([]);
  // Ending a call must cost no more than starting it, however many there are.
  expect(cpuMs() - before).toBeLessThan(1000 + 4 * capturedMs);
  expect(capture.stats()).toMatchObject({ pending: 0, pendingBytes: 0, droppedByReason: { undelivered: 20_000 } });
});
