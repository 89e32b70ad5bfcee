import { afterEach, beforeEach, expect, it, jest } from '@jest/globals';
import { type EventStore, type QueuedEvent, type Recovery, type RecoveryRequest } from 'nestjs-posthog-capture';
import { type BatchOutcome, type SendBatch } from '../../lib/delivery/delivery.js';
import { type DeliveryObserver } from '../../lib/delivery/delivery.js';
import { DeliveryPipeline } from '../../lib/delivery/delivery-pipeline.js';
import { MemoryEventStore, SharedMemory } from '../support/memory-event-store.js';
import { SEED, Seeded } from '../support/seeded.js';
import { senderOf, SILENT_OBSERVER } from '../support/silent-observer.js';

// Time is simulated, because the store has timeouts and pauses of seconds.
beforeEach(() => void jest.useFakeTimers({ now: 0 }));
afterEach(() => {
  jest.restoreAllMocks();
  jest.useRealTimers();
});

interface Life {
  killed: boolean;
  dropped: number;
}

/** A store that keeps or loses events and resolves, rejects or hangs at random. */
class FlakyStore implements EventStore {
  readonly #inner: MemoryEventStore;

  constructor(
    memory: SharedMemory,
    private readonly random: Seeded,
    /** A killed process does nothing. */
    private readonly life: Life,
  ) {
    this.#inner = new MemoryEventStore(memory);
  }

  recover(request: RecoveryRequest): Promise<Recovery> {
    return this.life.killed ? Promise.resolve({ events: [], warnings: [] }) : this.#inner.recover(request);
  }

  append(events: readonly QueuedEvent[]): Promise<void> | undefined {
    return this.#perhaps(() => {
      this.#inner.append(events);
    });
  }

  remove(events: readonly QueuedEvent[]): Promise<void> | undefined {
    return this.#perhaps(() => {
      this.#inner.remove(events);
    });
  }

  close(): Promise<void> {
    return this.#inner.close();
  }

  #perhaps(request: () => void): Promise<void> | undefined {
    const { random, life } = this;
    const act = (): void => {
      if (!life.killed) request();
    };
    if (random.chance(0.15)) {
      const how = random.pick(['throws', 'rejects', 'rejects late', 'acts and rejects', 'hangs']);
      if (how === 'acts and rejects') act();
      if (how === 'throws') throw new Error('the store throws');
      if (how === 'hangs') return new Promise(() => undefined);
      if (how !== 'rejects late') return Promise.reject(new Error('the store rejects'));
      return later(random.below(4000)).then(() => Promise.reject(new Error('the store rejects late')));
    }
    if (random.chance(0.5)) {
      act();
      return undefined;
    }
    return later(random.below(3000)).then(act);
  }
}

const later = (ms: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, ms));

const OPTIONS = {
  flushAt: 10,
  flushIntervalMs: 200,
  maxBatchEvents: 20,
  maxBatchBytes: 100_000,
  maxQueueEvents: 10_000,
  maxQueueBytes: 1_000_000,
  concurrency: 3,
  maxRetries: 1,
  retryBaseMs: 100,
  retryMaxMs: 1000,
  coolDownMs: 3000,
  maxEventAgeMs: null,
  shutdownTimeoutMs: 2000,
};

/** Tracks all events across all processes. */
class World {
  readonly memory = new SharedMemory();
  readonly accepted = new Map<string, QueuedEvent>();
  readonly delivered = new Set<string>();
  readonly dropped = new Map<string, string>();
  readonly flaws: string[] = [];
  outage = false;

  constructor(readonly random: Seeded) {}

  readonly send: SendBatch = async ({ events }): Promise<BatchOutcome> => {
    const ids = events.map(({ id }) => id);
    if (new Set(ids).size < ids.length) this.flaws.push('a batch holds one id twice');
    await later(this.random.below(300));
    if (this.outage || this.random.chance(1 / 3)) {
      // It may have been stored nevertheless.
      return { kind: 'retryable', failure: { message: 'no', remedy: 'none' } };
    }
    return { kind: 'settled', rejected: [], retry: [] };
  };

  observer(life: Life = { killed: false, dropped: 0 }): DeliveryObserver {
    const settled = new Set<string>();
    const settle = (id: string): boolean => {
      if (life.killed) return false;
      if (settled.has(id)) this.flaws.push(`${id} was settled twice by one process`);
      settled.add(id);
      return true;
    };
    return {
      ...SILENT_OBSERVER,
      delivered: (events) => {
        for (const { id } of events) if (settle(id)) this.delivered.add(id);
      },
      dropped: ({ uuid, reason }) => {
        const id = uuid ?? '';
        life.dropped += 1;
        if (settle(id)) this.dropped.set(id, reason);
      },
    };
  }

  /** Events that are neither delivered nor dropped. */
  open(): string[] {
    return [...this.accepted.keys()].filter((id) => !this.delivered.has(id) && !this.dropped.has(id));
  }

  /** Events that a later process will recover. */
  kept(): Set<string> {
    return new Set([...this.memory.events.keys()].map(({ id }) => id));
  }
}

/** One process: captures for a while, then closes or is killed. */
async function live(world: World, end: 'close' | 'kill'): Promise<void> {
  const { random, memory } = world;
  const life: Life = { killed: false, dropped: 0 };
  const store = new FlakyStore(memory, random, life);
  const pipeline = new DeliveryPipeline(OPTIONS, senderOf(world.send), world.observer(life), {
    store,
    project: 'one',
    adapt: (event) => event,
    describeError: String,
  });
  await pipeline.recover();
  let captured = 0;
  const expectBalance = (): void => {
    const { recovered, delivered, pending } = pipeline.stats();
    expect(captured + recovered).toBe(delivered + life.dropped + pending);
  };
  for (let turn = random.below(60); turn > 0; turn -= 1) {
    for (let count = random.below(8); count > 0; count -= 1) {
      const id = `${world.accepted.size}`;
      const event = { id, name: 'step', orderKey: `p${random.below(9)}`, format: 'v0', payload: '{}', bytes: 2 };
      const queued = { ...event, capturedAt: Date.now() };
      world.accepted.set(id, queued);
      pipeline.accept(queued);
      captured += 1;
    }
    world.outage = random.chance(0.2);
    await jest.advanceTimersByTimeAsync(random.below(2000));
    expectBalance();
  }
  if (end === 'kill') {
    // Events that the store did not keep are gone, and no process can report that.
    life.killed = true;
    for (const record of memory.events.values()) record.owner = null;
    const kept = world.kept();
    for (const id of world.open()) if (!kept.has(id)) world.dropped.set(id, 'killed');
    return;
  }
  const closing = pipeline.close();
  await jest.advanceTimersByTimeAsync(60_000);
  const report = await closing;
  expectBalance();
  const kept = world.kept();
  // Events reported as kept are kept; the rest was reported as dropped.
  expect(world.open().filter((id) => !kept.has(id))).toEqual([]);
  expect(pipeline.stats().pending).toBe(report.pending);
}

it.each(Array.from({ length: 20 }, (_, index) => SEED * 100 + index))(
  'accounts for every event with a store that fails at random (seed %i)',
  async (seed) => {
    const world = new World(new Seeded(seed));
    jest.spyOn(Math, 'random').mockImplementation(() => world.random.next());
    for (let life = 0; life < 6; life += 1) await live(world, world.random.chance(0.3) ? 'kill' : 'close');
    const last = new DeliveryPipeline(OPTIONS, senderOf(world.send), world.observer(), {
      store: new MemoryEventStore(world.memory),
      project: 'one',
      adapt: (event) => event,
      describeError: String,
    });
    world.outage = false;
    await last.recover();
    await jest.advanceTimersByTimeAsync(600_000);
    expect(world.open()).toEqual([]);
    expect(world.flaws).toEqual([]);
    const closing = last.close();
    await jest.advanceTimersByTimeAsync(10_000);
    await closing;
    expect(world.memory.events.size).toBe(0);
  },
);
