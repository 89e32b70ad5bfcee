import { describe, expect, it } from '@jest/globals';
import { type QueuedEvent } from '../../../lib/delivery/delivery.js';
import { EventQueue } from '../../../lib/delivery/queue/event-queue.js';
import { type QueueLease } from '../../../lib/delivery/queue/lease.js';

const BATCH = { maxBatchEvents: 100, maxBatchBytes: 10_000 };

function event(name: string, orderKey = name, more: Partial<QueuedEvent> = {}): QueuedEvent {
  return { id: name, name, orderKey, format: 'v0', payload: name, bytes: 10, capturedAt: 0, ...more };
}

function queueOf(...events: QueuedEvent[]): EventQueue {
  const queue = new EventQueue({ maxQueueEvents: 1000, maxQueueBytes: 100_000 });
  for (const each of events) queue.push(each);
  return queue;
}

const names = (lease: QueueLease | null): string[] => lease?.events.map(({ name }) => name) ?? [];
function pushed(queue: EventQueue, newcomer: QueuedEvent): string[] {
  const evicted: string[] = [];
  queue.push(newcomer);
  for (let next = queue.evict(); next; next = queue.evict()) evicted.push(next.event.name);
  return evicted;
}

const ackAll = (queue: EventQueue, lease: QueueLease | null): void => {
  if (!lease) return;
  for (const each of lease.events) lease.ack(each);
  queue.release(lease);
};

describe('a lease', () => {
  it('takes the oldest, by count and by bytes, and at least one', () => {
    const queue = queueOf(event('a'), event('b'), event('c'), event('huge', 'huge', { bytes: 50_000 }));
    expect(names(queue.lease({ maxBatchEvents: 2, maxBatchBytes: 1000 }))).toEqual(['a', 'b']);
    expect(names(queue.lease({ maxBatchEvents: 2, maxBatchBytes: 1000 }))).toEqual(['c']);
    expect(names(queue.lease({ maxBatchEvents: 2, maxBatchBytes: 1000 }))).toEqual(['huge']);
    expect(queue.lease(BATCH)).toBeNull();
  });

  it('never mixes formats, and never holds one id twice', () => {
    const queue = queueOf(
      event('a'),
      event('b', 'b', { format: 'v1' }),
      event('c', 'c', { format: 'v1' }),
      event('d', 'd', { id: 'c', format: 'v1' }),
    );
    expect(names(queue.lease(BATCH))).toEqual(['a']);
    expect(names(queue.lease(BATCH))).toEqual(['b', 'c']);
    expect(names(queue.lease(BATCH))).toEqual(['d']);
  });

  it('never holds one id twice when only one of the two events was given the id', () => {
    const own = { hasOwnId: true };
    const queue = queueOf(
      event('a', 'a', own),
      event('b', 'b', { id: 'a' }),
      event('c', 'c', own),
      event('d', 'd', { id: 'c' }),
    );
    expect(names(queue.lease(BATCH))).toEqual(['a']);
    expect(names(queue.lease(BATCH))).toEqual(['b', 'c']);
    expect(names(queue.lease(BATCH))).toEqual(['d']);
  });

  it('never holds one id twice when the event that was given the id comes first', () => {
    const queue = queueOf(event('a', 'a', { hasOwnId: true }), event('b', 'b', { id: 'a' }));
    const [first, second] = [queue.lease(BATCH), queue.lease(BATCH)];
    // The lease released first is leased first.
    for (const lease of [second, first]) if (lease) queue.release(lease);
    expect(names(queue.lease(BATCH))).toEqual(['b']);
    expect(names(queue.lease(BATCH))).toEqual(['a']);
  });

  it('acknowledges in any order, each event once, and no other event with the same id', () => {
    const queue = queueOf(event('a'), event('b'), event('c'));
    const lease = queue.lease(BATCH);
    const [a, b, c] = lease?.events ?? [];
    const acks = [event('a'), c, a, a, c, b, b].map((each) => lease && each && lease.ack(each));
    expect(acks).toEqual([null, 2, 0, null, null, 1, null]);
    expect([queue.size, queue.bytes, queue.leased]).toEqual([0, 0, 0]);
  });

  it('acknowledges nothing once it is released', () => {
    const queue = queueOf(event('a'));
    const lease = queue.lease(BATCH);
    const [a] = lease?.events ?? [];
    if (lease) queue.release(lease);
    expect(lease && a && lease.ack(a)).toBeNull();
    expect([queue.size, queue.leased, queue.available]).toEqual([1, 0, 1]);
  });

  it('remembers which keys are leased or have waiting events, however many keys follow', () => {
    const queue = queueOf(event('a1', 'a'), event('b1', 'b'));
    const first = queue.lease({ ...BATCH, maxBatchEvents: 1 });
    const second = queue.lease({ ...BATCH, maxBatchEvents: 1 });
    queue.push(event('a2', 'a'));
    for (let n = 0; n < 6000; n += 1) {
      queue.push(event(`other ${n}`));
      const lease = queue.lease(BATCH);
      expect(names(lease)).toEqual([`other ${n}`]);
      ackAll(queue, lease);
    }
    queue.push(event('b2', 'b'));
    expect(queue.lease(BATCH)).toBeNull();
    ackAll(queue, first);
    expect(names(queue.lease(BATCH))).toEqual(['a2']);
    ackAll(queue, second);
    expect(names(queue.lease(BATCH))).toEqual(['b2']);
  });

  it('skips leased keys until their last event is acknowledged', () => {
    const queue = queueOf(event('a1', 'a'), event('b1', 'b'), event('a2', 'a'), event('c1', 'c'));
    const first = queue.lease({ ...BATCH, maxBatchEvents: 1 });
    const second = queue.lease(BATCH);
    expect([names(first), names(second)]).toEqual([['a1'], ['b1', 'c1']]);
    expect(queue.lease(BATCH)).toBeNull();
    expect(queue.available).toBe(0);
    ackAll(queue, first);
    expect(queue.available).toBe(1);
    expect(names(queue.lease(BATCH))).toEqual(['a2']);
  });

  it('returns unacknowledged events to their place', () => {
    const queue = queueOf(event('a1', 'a'), event('b1', 'b'), event('a2', 'a'));
    const lease = queue.lease({ ...BATCH, maxBatchEvents: 2 });
    queue.push(event('a3', 'a'));
    expect(queue.lease(BATCH)).toBeNull();
    const [, b1] = lease?.events ?? [];
    if (lease && b1) lease.ack(b1);
    if (lease) queue.release(lease);
    expect(names(queue.lease(BATCH))).toEqual(['a1', 'a2', 'a3']);
  });
});

describe('a full queue', () => {
  it('drops the oldest that is not leased, wherever it waits', () => {
    const queue = new EventQueue({ maxQueueEvents: 4, maxQueueBytes: 100_000 });
    for (const each of [event('a1', 'a'), event('a2', 'a'), event('b1', 'b'), event('c1', 'c')]) queue.push(each);
    queue.lease({ ...BATCH, maxBatchEvents: 1 });
    // a2 is moved aside behind a1, but is still the oldest.
    queue.lease({ ...BATCH, maxBatchEvents: 1 });
    const dropped = ['d', 'e', 'f'].flatMap((name) => pushed(queue, event(name)));
    expect(dropped).toEqual(['a2', 'c1', 'd']);
    expect(queue.size).toBe(4);
  });

  it('drops the newest event only when it is larger than the queue', () => {
    const queue = new EventQueue({ maxQueueEvents: 1, maxQueueBytes: 100 });
    queue.push(event('a'));
    queue.lease(BATCH);
    expect(pushed(queue, event('b'))).toEqual([]);
    expect(pushed(queue, event('c'))).toEqual(['b']);
    expect(pushed(queue, event('huge', 'huge', { bytes: 101 }))).toEqual(['huge']);
    expect([queue.size, queue.bytes]).toEqual([2, 20]);
  });

  it('leases at most seven eighths of the limit', () => {
    const queue = new EventQueue({ maxQueueEvents: 16, maxQueueBytes: 1000 });
    for (let index = 0; index < 16; index += 1) queue.push(event(`${index}`));
    expect(queue.lease(BATCH)?.events).toHaveLength(14);
    expect(queue.lease(BATCH)).toBeNull();
    expect(pushed(queue, event('new'))).toEqual(['14']);
  });
});

it('keeps the order of each key, loses nothing and counts correctly under random use', () => {
  let seed = 7;
  const random = (below: number): number => (seed = (seed * 48_271) % 2_147_483_647) % below;
  const queue = queueOf();
  const leases: QueueLease[] = [];
  const done = new Map<string, number[]>();
  let pushed = 0;
  for (let step = 0; step < 20_000 || queue.size > 0; step += 1) {
    const action = random(10);
    if (action < 4 && pushed < 900) {
      const key = `k${random(6)}`;
      // Some have the id of an earlier event, perhaps of another key.
      const given =
        random(5) === 0 && pushed > 0 ? { id: `${Math.max(0, pushed - 1 - random(8))}` } : { hasOwnId: true };
      queue.push(event(`${pushed}`, key, given));
      pushed += 1;
    } else if (action < 7) {
      const lease = queue.lease({ maxBatchEvents: 1 + random(5), maxBatchBytes: 10_000 });
      if (!lease) continue;
      leases.push(lease);
      expect(new Set(lease.events.map(({ id }) => id)).size).toBe(lease.events.length);
    } else {
      const [lease] = leases.splice(random(Math.max(1, leases.length)), 1);
      if (!lease) continue;
      // For each key, a receiver accepts a leading part.
      const sign = random(2) === 0 ? 1 : -1;
      const taken = lease.events
        .slice(0, random(lease.events.length + 1))
        .sort((a, b) => sign * a.orderKey.localeCompare(b.orderKey));
      for (const each of taken) {
        lease.ack(each);
        done.set(each.orderKey, [...(done.get(each.orderKey) ?? []), Number(each.name)]);
      }
      queue.release(lease);
    }
    const held = leases.reduce((sum, lease) => sum + lease.open.length, 0);
    expect(queue.leased).toBe(held);
  }
  expect([queue.size, queue.bytes, queue.leased, queue.available]).toEqual([0, 0, 0, 0]);
  expect(queue.isWorthSending(1, 1)).toBe(false);
  expect([...done.values()].flat()).toHaveLength(pushed);
  for (const sequence of done.values()) expect(sequence).toEqual([...sequence].sort((a, b) => a - b));
});
