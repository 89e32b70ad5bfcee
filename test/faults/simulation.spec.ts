import { afterEach, beforeEach, expect, it, jest } from '@jest/globals';
import { type QueuedEvent } from 'nestjs-posthog-capture';
import { type DeliveryObserver } from '../../lib/delivery/delivery.js';
import { type DeliveryOptions, DeliveryPipeline } from '../../lib/delivery/delivery-pipeline.js';
import { Receiver } from '../support/receiver.js';
import { SEED, Seeded } from '../support/seeded.js';
import { senderOf, SILENT_OBSERVER } from '../support/silent-observer.js';

/** Number of schedules. A long run: `FAULT_SCHEDULES=2000 FAULT_SEED=7 npm test -- test/faults/simulation`. */
const SCHEDULES = Number(process.env.FAULT_SCHEDULES ?? 60);
const MINUTE_MS = 60_000;

// Delivery alone, in simulated time: outages of minutes take no time, and a seed that fails always fails.
beforeEach(() => void jest.useFakeTimers({ now: 0 }));
afterEach(() => {
  jest.restoreAllMocks();
  jest.useRealTimers();
});

function optionsFrom(random: Seeded): DeliveryOptions {
  return {
    flushAt: random.pick([1, 5, 20]),
    flushIntervalMs: random.pick([0, 100, 1000]),
    maxBatchEvents: random.pick([1, 5, 20]),
    maxBatchBytes: random.pick([10, 1000]),
    maxQueueEvents: random.pick([1, 30, 10_000]),
    maxQueueBytes: random.pick([40, 100_000]),
    concurrency: random.pick([1, 2, 5]),
    maxRetries: random.pick([0, 1, 3]),
    retryBaseMs: random.pick([0, 100, 1000]),
    retryMaxMs: random.pick([100, 30_000]),
    coolDownMs: random.pick([0, 1000, 30_000]),
    maxEventAgeMs: random.pick([null, null, 5000]),
    shutdownTimeoutMs: random.pick([0, 5000, 60_000]),
  };
}

it.each(Array.from({ length: SCHEDULES }, (_, index) => SEED * 10_000 + index))(
  'accounts for every event once and in order, under random faults (seed %i)',
  async (seed) => {
    const random = new Seeded(seed);
    jest.spyOn(Math, 'random').mockImplementation(() => random.next());
    const options = optionsFrom(random);
    const receiver = new Receiver(random);
    const fates = new Map<string, string>();
    const settle = (id: string, fate: string): void => {
      if (fates.has(id)) receiver.flaws.push(`${id} is ${fates.get(id)} and ${fate}`);
      fates.set(id, fate);
    };
    let captured = 0;
    const expectBalance = (): void => {
      const { delivered, pending } = pipeline.stats();
      const dropped = [...fates.values()].filter((fate) => fate !== 'delivered').length;
      if (captured !== delivered + dropped + pending) receiver.flaws.push('out of balance');
    };
    const observer: DeliveryObserver = {
      ...SILENT_OBSERVER,
      delivered: (events) => {
        for (const { id } of events) settle(id, 'delivered');
      },
      dropped: ({ uuid, reason }) => settle(uuid ?? '', reason),
    };
    const pipeline = new DeliveryPipeline(options, senderOf(receiver.send), observer);
    const newEvent = (name: string): QueuedEvent => {
      const id = String(captured);
      captured += 1;
      const orderKey = `p${random.below(6)}`;
      return { id, name, orderKey, format: 'v0', payload: '{}', bytes: 1 + random.below(12), capturedAt: Date.now() };
    };
    const calls: Promise<unknown>[] = [];
    const act = (): void => {
      for (let count = random.below(12); count > 0; count -= 1) {
        pipeline.accept(newEvent(random.chance(0.02) ? 'poison' : 'step'));
      }
      if (random.chance(0.2)) calls.push(pipeline.flush(random.below(3000)));
      if (random.chance(0.2)) calls.push(pipeline.ready(random.below(3000)));
      if (random.chance(0.2)) calls.push(pipeline.deliverNow(newEvent('now'), { timeoutMs: random.below(5000) }));
    };
    for (let turn = random.below(60); turn > 0; turn -= 1) {
      if (random.chance(0.1)) receiver.failures = random.pick([0, 1 / 3, 1]);
      act();
      await jest.advanceTimersByTimeAsync(random.below(2000));
      expectBalance();
    }
    if (random.chance(0.5)) {
      // Without a flush.
      receiver.failures = 0;
      await jest.advanceTimersByTimeAsync(20 * MINUTE_MS);
      expect(pipeline.stats().pending).toBe(0);
    }
    const closing = pipeline.close();
    for (let turn = random.below(5); turn > 0; turn -= 1) {
      act();
      await jest.advanceTimersByTimeAsync(random.below(2000));
      expectBalance();
    }
    let closed = false;
    void closing.then(() => (closed = true));
    // Fractions of a millisecond are rounded.
    await jest.advanceTimersByTimeAsync(options.shutdownTimeoutMs + 10);
    expect(closed).toBe(true);
    await Promise.all(calls);
    expectBalance();
    // Late events are still delivered.
    await jest.advanceTimersByTimeAsync(MINUTE_MS);
    expect(receiver.flaws).toEqual([]);
    expect(pipeline.stats()).toMatchObject({ pending: 0, pendingBytes: 0, inFlight: 0 });
    expect(fates.size).toBe(captured);
    expect(jest.getTimerCount()).toBe(0);
  },
);
