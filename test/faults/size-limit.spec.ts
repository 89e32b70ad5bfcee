import { afterEach, describe, expect, it } from '@jest/globals';
import { type PostHogCaptureModuleOptions } from 'nestjs-posthog-capture';
import { type Fault, type RecordedRequest } from 'nestjs-posthog-capture/testing';
import { assessHealth } from '../../lib/health/assess-health.js';
import { Books } from '../support/books.js';
import { closeAll, start } from '../support/harness.js';

afterEach(closeAll);

const KIB = 1024;
/** Something in front of PostHog answers requests above this size. */
const LIMIT = 8 * KIB;

async function follow(options: PostHogCaptureModuleOptions = {}) {
  const books = new Books();
  const harness = await start({
    compression: 'none',
    maxRetries: 1,
    coolDownMs: 30,
    ...options,
    ...books.listeners,
  });
  books.follow(harness.capture);
  const { posthog } = harness;
  const limit = { bytes: LIMIT, fault: { status: 403 } as Fault };
  posthog.failWhen((request) => (sizeOf(request) > limit.bytes ? limit.fault : null));
  return { ...harness, books, limit };
}

const sizeOf = ({ text }: RecordedRequest): number => Buffer.byteLength(text ?? '');
const warned = (lines: readonly string[]): number =>
  lines.filter((line) => line.includes('batches are limited')).length;

describe.each(['v0', 'v1'] as const)('%s: a size limit that answers', (captureMode) => {
  it.each<[string, Fault]>([
    ['403', { status: 403 }],
    ['502', { status: 502 }],
    ['404', { status: 404 }],
    ['with a page', { status: 200, body: '<html>' }],
    ['with a reset', { reset: 'before' }],
    ['never', { hang: true }],
  ])('%s: all events arrive in order, without a flush', async (_what, fault) => {
    const { books, capture, posthog, lines, limit } = await follow({
      captureMode,
      ...('hang' in fault && { requestTimeoutMs: 500 }),
    });
    limit.fault = fault;
    for (let index = 0; index < 400; index += 1) books.captureOne(`person_${index % 60}`);
    await posthog.waitForEvents(400);
    await books.drain();
    books.check(posthog);
    expect(capture.stats()).toMatchObject({ delivered: 400, dropped: 0, pending: 0 });
    expect(warned(lines)).toBe(1);
    const { batchLimit } = capture.stats();
    expect(batchLimit?.bytes).toBeGreaterThan(LIMIT / 4);
    expect(batchLimit?.bytes).toBeLessThan(LIMIT);
    expect(assessHealth(capture.stats())).toMatchObject({
      health: 'degraded',
      problems: [
        { message: expect.stringContaining('batches are limited'), remedy: expect.stringContaining('POSTHOG_HOST') },
      ],
    });
    expect(posthog.requests.filter((request) => sizeOf(request) > LIMIT).length).toBeLessThan(30);
  });
});

it('remembers the size, and captureNow uses it', async () => {
  const { books, capture, posthog } = await follow();
  for (let index = 0; index < 200; index += 1) books.captureOne(`person_${index}`);
  await books.drain();
  const before = posthog.requests.length;
  await Promise.all(Array.from({ length: 200 }, (_, index) => books.captureNow(`person_${index}`)));
  const sizes = posthog.requests.slice(before).map(sizeOf);
  expect(Math.max(...sizes)).toBeLessThanOrEqual(LIMIT);
  books.check(posthog);
  expect(capture.stats()).toMatchObject({ delivered: 400, dropped: 0 });
});

it('returns to larger batches once they are accepted, and says so', async () => {
  const { books, capture, posthog, lines, limit } = await follow({ coolDownMs: 5 });
  for (let index = 0; index < 200; index += 1) books.captureOne(`person_${index}`);
  await books.drain();
  expect(capture.stats().batchLimit).not.toBeNull();
  limit.bytes = Infinity;
  while (capture.stats().batchLimit !== null) {
    for (let index = 0; index < 300; index += 1) books.captureOne(`person_${index}`);
    await books.drain();
  }
  expect(lines.filter((line) => line.includes('batches are no longer limited'))).toHaveLength(1);
  books.check(posthog);
});

it('sends few larger requests while the limit stays', async () => {
  const { books, posthog } = await follow();
  for (let index = 0; index < 400; index += 1) books.captureOne(`person_${index % 60}`);
  await books.drain();
  const before = posthog.requests.length;
  for (let index = 0; index < 2000; index += 1) books.captureOne(`person_${index % 60}`);
  await books.drain();
  const refused = posthog.requests.slice(before).filter((request) => sizeOf(request) > LIMIT);
  expect(refused.length).toBeLessThan(10);
  books.check(posthog);
});

it.each([1, 5])('%i events that are too large alone delay only their persons', async (count) => {
  const { books, capture, posthog, limit } = await follow();
  const large = { groups: { text: 'x'.repeat(20 * KIB) } };
  for (let index = 0; index < 100; index += 1) books.captureOne(`person_${index}`);
  for (let index = 0; index < count; index += 1) books.captureOne(`large_${index}`, large);
  for (let index = 0; index < 100; index += 1) books.captureOne(`person_${index}`);
  for (let index = 0; index < count; index += 1) books.captureOne(`large_${index}`);
  await posthog.waitForEvents(200);
  for (let index = 0; index < 50; index += 1) books.captureOne(`late_${index}`);
  await posthog.waitForEvents(250);
  expect(await capture.flush()).toMatchObject({ error: 'PostHog API error: HTTP 403' });
  expect(capture.stats()).toMatchObject({ pending: 2 * count, dropped: 0 });
  limit.bytes = Infinity;
  await books.drain();
  books.check(posthog);
});

it('does not blame the size in an outage, and needs few requests', async () => {
  const { books, capture, posthog, lines } = await follow({ maxRetries: 2 });
  posthog.failWhen(() => ({ status: 503 }));
  for (let index = 0; index < 1000; index += 1) books.captureOne(`person_${index % 60}`);
  await posthog.waitForRequests(30);
  const probes = posthog.requests.slice(-8);
  expect(probes.map(({ events }) => events)).toEqual(probes.map(() => 1));
  posthog.failWhen(() => null);
  const before = posthog.requests.length;
  await posthog.waitForEvents(1000);
  await books.drain();
  books.check(posthog);
  expect(posthog.requests.length - before).toBeLessThan(12);
  expect(warned(lines)).toBe(0);
  expect(capture.stats().batchLimit).toBeNull();
});

it('an outage while the size is limited takes few requests, and changes nothing', async () => {
  const { books, capture, posthog, limit } = await follow({ maxRetries: 1, coolDownMs: 60_000 });
  for (let index = 0; index < 400; index += 1) books.captureOne(`person_${index % 60}`);
  while (capture.stats().pending > 0) await capture.flush();
  const { batchLimit } = capture.stats();
  expect(batchLimit).not.toBeNull();
  posthog.failWhen(() => ({ status: 503 }));
  const before = posthog.requests.length;
  for (let index = 0; index < 400; index += 1) books.captureOne(`person_${index % 60}`);
  await capture.flush();
  expect(posthog.requests.length - before).toBeLessThan(40);
  expect(capture.stats().coolDownUntil).not.toBeNull();
  posthog.failWhen((request) => (sizeOf(request) > limit.bytes ? limit.fault : null));
  await books.drain();
  books.check(posthog);
  expect(capture.stats().batchLimit).toEqual(batchLimit);
});

it('close() sends everything, even if nothing was delivered before', async () => {
  const { app, books, posthog } = await follow({ flushIntervalMs: 60_000, flushAt: 500 });
  for (let index = 0; index < 400; index += 1) books.captureOne(`person_${index % 60}`);
  await app.close();
  books.check(posthog);
});
