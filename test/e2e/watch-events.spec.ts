import { afterEach, describe, expect, it } from '@jest/globals';
import { type CaptureService } from 'nestjs-posthog-capture';
import { type EventWatcher } from '../../lib/capture/report/event-reporter.js';
import { watchEvents } from '../../lib/capture/report/watch-events.js';
import { MemoryEventStore, SharedMemory } from '../support/memory-event-store.js';
import { CANARY } from '../support/secrets.js';
import { boot, captureMany, closeAll, start } from '../support/harness.js';

afterEach(closeAll);

/** Records the calls of a watcher, one line each, with the names of events. */
function listen(capture: CaptureService): { told: string[]; end: () => void } {
  const told: string[] = [];
  const names = (events: readonly { name: string }[]): string => events.map(({ name }) => name).join(' ');
  const watcher: EventWatcher = {
    queued: ({ name }) => told.push(`queued ${name}`),
    sending: (events, attempt) => told.push(`sending ${names(events)}, attempt ${attempt}`),
    answered: ({ events, status, failure, attempt }) =>
      told.push(`answered ${status ?? failure} for ${events}, attempt ${attempt}`),
    retrying: (events, delayMs, { message }) =>
      told.push(`retrying ${names(events)} ${delayMs === null ? 'from the queue' : 'soon'}: ${message}`),
    delivered: (events) => told.push(`delivered ${names(events)}`),
    dropped: ({ event, reason, detail }) => told.push(`dropped ${event} (${reason}): ${detail}`),
    coolingDown: ({ message }) => told.push(`cooling down: ${message}`),
    resumed: () => told.push('resumed'),
  };
  return { told, end: watchEvents(capture, watcher) };
}

it('shows an event from the queue to the response, with the payload that is sent', async () => {
  const { capture, posthog } = await start();
  const { told } = listen(capture);
  const payloads: string[] = [];
  const durations: number[] = [];
  watchEvents(capture, {
    queued: ({ payload }) => payloads.push(payload),
    answered: ({ durationMs }) => durations.push(durationMs),
  });
  capture.capture({ event: 'a', distinctId: 'ann', properties: { price: 3 } });
  capture.capture({ event: 'b', distinctId: 'bob' });
  await capture.flush();
  expect(told).toEqual([
    'queued a',
    'queued b',
    'sending a b, attempt 1',
    'answered 200 for 2, attempt 1',
    'delivered a b',
  ]);
  expect(payloads.map((payload) => JSON.parse(payload) as unknown)).toEqual(
    (posthog.requests[0]?.json as { batch: unknown[] }).batch,
  );
  expect(payloads[0]).toContain(CANARY);
  expect(durations).toHaveLength(1);
  expect(durations[0]).toBeGreaterThan(0);
});

it('shows an event whose caller waits for it', async () => {
  const { capture } = await start();
  const { told } = listen(capture);
  await capture.captureNow({ event: 'now', distinctId: 'ann' });
  expect(told).toEqual(['queued now', 'sending now, attempt 1', 'answered 200 for 1, attempt 1', 'delivered now']);
  const ended = AbortSignal.abort();
  told.length = 0;
  await capture.captureNow({ event: 'never', distinctId: 'ann' }, { signal: ended });
  expect(told).toEqual(['queued never', 'dropped never (undelivered): PostHog request aborted']);
});

it('shows no retry of an event whose caller gave up', async () => {
  const { capture, posthog } = await start();
  posthog.failAlways({ hang: true });
  const { told } = listen(capture);
  const caller = new AbortController();
  let answered = (): void => undefined;
  const over = new Promise<void>((resolve) => (answered = resolve));
  watchEvents(capture, { sending: () => caller.abort(), answered: () => answered() });
  await capture.captureNow({ event: 'a', distinctId: 'ann' }, { signal: caller.signal });
  await over;
  // What is told of the request comes in the same turn.
  await new Promise((resolve) => setImmediate(resolve));
  expect(told).toEqual([
    'queued a',
    'sending a, attempt 1',
    'dropped a (undelivered): PostHog request aborted',
    'answered aborted for 1, attempt 1',
  ]);
});

it('shows a retry only of events whose callers still wait', async () => {
  const { capture, posthog } = await start({ maxRetries: 1 });
  const { told } = listen(capture);
  const caller = new AbortController();
  posthog.failWhen(({ index }) => {
    if (index > 0) return null;
    caller.abort();
    return { status: 503, delayMs: 30 };
  });
  await Promise.all([
    capture.captureNow({ event: 'a', distinctId: 'ann' }, { signal: caller.signal }),
    capture.captureNow({ event: 'b', distinctId: 'bob' }),
  ]);
  expect(told.slice(2)).toEqual([
    'sending a b, attempt 1',
    'dropped a (undelivered): PostHog request aborted',
    'answered 503 for 2, attempt 1',
    'retrying b soon: PostHog API error: HTTP 503',
    'sending b, attempt 2',
    'answered 200 for 1, attempt 2',
    'delivered b',
  ]);
});

it('shows no retry of a request that the shutdown aborts', async () => {
  const { app, capture, posthog } = await start({ shutdownTimeoutMs: 30 });
  posthog.failAlways({ hang: true });
  const { told } = listen(capture);
  capture.capture({ event: 'a', distinctId: 'ann' });
  await app.close();
  expect(told).toEqual([
    'queued a',
    'sending a, attempt 1',
    'answered aborted for 1, attempt 1',
    expect.stringMatching(/^dropped a \(shutdown\): /),
  ]);
});

it('shows retries, a cool-down and its end', async () => {
  const { capture, posthog } = await start({ maxRetries: 1, coolDownMs: 60_000 });
  const { told } = listen(capture);
  const coolDowns: number[][] = [];
  watchEvents(capture, { coolingDown: (_failure, coolDownMs, pending) => coolDowns.push([coolDownMs, pending]) });
  posthog.failAlways({ status: 503 });
  capture.capture({ event: 'a', distinctId: 'ann' });
  await capture.flush();
  posthog.failAlways(null);
  await capture.flush();
  expect(told).toEqual([
    'queued a',
    'sending a, attempt 1',
    'answered 503 for 1, attempt 1',
    'retrying a soon: PostHog API error: HTTP 503',
    'sending a, attempt 2',
    'answered 503 for 1, attempt 2',
    'retrying a from the queue: PostHog API error: HTTP 503',
    'cooling down: PostHog API error: HTTP 503',
    'sending a, attempt 1',
    'answered 200 for 1, attempt 1',
    'resumed',
    'delivered a',
  ]);
  expect(coolDowns).toEqual([[60_000, 1]]);
});

it('shows why a request has no status', async () => {
  const { capture, posthog } = await start({ maxRetries: 0, requestTimeoutMs: 3000, coolDownMs: 60_000 });
  const { told } = listen(capture);
  posthog.failAlways({ reset: 'before' });
  capture.capture({ event: 'a', distinctId: 'ann' });
  await capture.flush();
  posthog.failAlways({ hang: true });
  await capture.flush();
  expect(told.filter((line) => line.startsWith('answered'))).toEqual([
    'answered network for 1, attempt 1',
    'answered timeout for 1, attempt 1',
  ]);
});

describe('drops', () => {
  it('are all shown, including those caused by onDrop', async () => {
    const { capture } = await start({
      beforeSend: (event) => (event.event === 'secret' ? null : event),
      onDrop: () => void capture.capture({ event: 'secret', distinctId: 'ann' }),
    });
    const { told } = listen(capture);
    capture.capture({ event: '', distinctId: 'ann' });
    expect(told).toEqual([
      expect.stringMatching(/^dropped {2}\(invalid\): /),
      expect.stringMatching(/^dropped secret \(before_send\): /),
    ]);
  });

  it('are shown of the oldest event when the queue is full, and of the newest only if it was dropped', async () => {
    const { capture } = await start({ maxQueueEvents: 2, flushIntervalMs: 60_000, flushAt: 500 });
    const { told } = listen(capture);
    captureMany(capture, 3);
    expect(told.slice(0, 4)).toEqual([
      'queued event_0',
      'queued event_1',
      'dropped event_0 (queue_full): the queue is full',
      'queued event_2',
    ]);
  });
});

it('ends when the returned function is called', async () => {
  const { capture } = await start();
  const { told, end } = listen(capture);
  const other = listen(capture);
  end();
  end();
  capture.capture({ event: 'a', distinctId: 'ann' });
  await capture.flush();
  expect(told).toEqual([]);
  expect(other.told).toHaveLength(4);
});

it('removes a watcher that throws, with one warning, and affects neither events nor other watchers', async () => {
  const { capture, posthog, lines } = await start();
  let calls = 0;
  watchEvents(capture, {
    queued: () => {
      calls += 1;
      throw new Error('no');
    },
  });
  const { told } = listen(capture);
  captureMany(capture, 5);
  await capture.flush();
  expect([calls, posthog.rows.length, capture.stats().delivered]).toEqual([1, 5, 5]);
  expect(told).toHaveLength(8);
  expect(lines.filter((line) => line.includes('An event watcher threw and was removed'))).toHaveLength(1);
});

it('shows events recovered from a store while it watches', async () => {
  const memory = new SharedMemory();
  const first = await start({ store: new MemoryEventStore(memory), flushIntervalMs: 60_000, maxRetries: 0 });
  first.posthog.failAlways({ status: 503 });
  captureMany(first.capture, 4);
  await first.app.close();
  first.posthog.failAlways(null);
  // At boot there is capacity for two, and for the others once these are sent.
  const { capture } = await boot({ host: first.posthog.url, store: new MemoryEventStore(memory), maxQueueEvents: 4 });
  const { told } = listen(capture);
  await first.posthog.waitFor(({ rows }) => rows.length === 4);
  expect(told.filter((line) => line.startsWith('queued'))).toEqual(['queued event_2', 'queued event_3']);
  expect(told).toContain('sending event_0 event_1, attempt 1');
});
