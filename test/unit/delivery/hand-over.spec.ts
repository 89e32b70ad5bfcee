import { afterEach, expect, it, jest } from '@jest/globals';
import { type EventStore, type QueuedEvent } from 'nestjs-posthog-capture';
import { type Batch, type BatchOutcome } from '../../../lib/delivery/delivery.js';
import { type DeliveryOptions, DeliveryPipeline } from '../../../lib/delivery/delivery-pipeline.js';
import { DELIVERY_OPTIONS } from '../../support/delivery-options.js';
import { senderOf, SILENT_OBSERVER } from '../../support/silent-observer.js';
import { MemoryEventStore, SharedMemory } from '../../support/memory-event-store.js';
import { idsOf, manyEvents } from '../../support/stored-events.js';

const OPTIONS: DeliveryOptions = {
  ...DELIVERY_OPTIONS,
  flushIntervalMs: 60_000,
  maxBatchEvents: 2,
  concurrency: 1,
  shutdownTimeoutMs: 0,
};

const open: DeliveryPipeline[] = [];
afterEach(() => Promise.all(open.splice(0).map((pipeline) => pipeline.close())));

/** A receiver that answers when the test says so. */
function setUp(store?: EventStore) {
  const sent: Batch[] = [];
  let answer: (outcome: BatchOutcome) => void = () => undefined;
  const delivered: string[] = [];
  const pipeline = new DeliveryPipeline(
    OPTIONS,
    senderOf((batch, { signal }) => {
      sent.push(batch);
      return new Promise((resolve) => {
        answer = resolve;
        signal.onabort = () => resolve({ kind: 'retryable', failure: { message: 'aborted', remedy: '' } });
      });
    }),
    { ...SILENT_OBSERVER, delivered: (events) => delivered.push(...idsOf(events)) },
    store && { store, project: 'one', adapt: (event) => event, describeError: String },
  );
  open.push(pipeline);
  return { pipeline, sent, delivered, answer: () => answer({ kind: 'settled', rejected: [], retry: [] }) };
}

/** Two events in a request, and three that wait. */
async function withRequest(store?: EventStore) {
  const all = setUp(store);
  await all.pipeline.recover();
  const events = manyEvents(5);
  for (const event of events) all.pipeline.accept(event);
  void all.pipeline.flush(1);
  await new Promise(setImmediate);
  expect(all.sent.map((batch) => idsOf(batch.events))).toEqual([['id_0', 'id_1']]);
  return { ...all, events };
}

const counts = ({ pipeline }: { pipeline: DeliveryPipeline }): number[] => {
  const { delivered, pending, inFlight } = pipeline.stats();
  return [delivered, pending, inFlight];
};

it('has the events of requests, of the queue, and of calls that wait', async () => {
  const { pipeline } = await withRequest();
  const [, , , , , waiting] = manyEvents(6);
  void pipeline.deliverNow(waiting!, { timeoutMs: 10_000 });
  const { events } = pipeline.handOver.begin(false);
  expect(idsOf(events).sort()).toEqual(['id_0', 'id_1', 'id_2', 'id_3', 'id_4', 'id_5']);
});

it('settles what was delivered up to the first that was not, and nothing of a request in flight', async () => {
  const all = await withRequest();
  const { pipeline, events, delivered, answer } = all;
  expect(counts(all)).toEqual([0, 5, 2]);
  pipeline.handOver.begin(false).settle(new Set([events[0]!, events[2]!, events[4]!]), 5);
  expect(delivered).toEqual(['id_2']);
  expect(counts(all)).toEqual([1, 4, 2]);
  // The process goes on.
  answer();
  await new Promise(setImmediate);
  expect(delivered).toEqual(['id_2', 'id_0', 'id_1']);
});

const keptIn = (memory: SharedMemory): string[] => idsOf([...memory.events.keys()]);

/** Keeps appended events only once `commit` is called. */
class SlowStore extends MemoryEventStore {
  readonly #turn: QueuedEvent[] = [];
  commit?: () => void = jest.fn(() => {
    super.append(this.#turn.splice(0));
  });

  override append(events: readonly QueuedEvent[]): never {
    this.#turn.push(...events);
    return new Promise(setImmediate) as never;
  }
}

it('has the store write everything, also the events of calls that wait', () => {
  const memory = new SharedMemory();
  const { pipeline } = setUp(new SlowStore(memory));
  const [first, second] = manyEvents(2);
  pipeline.accept(first!);
  void pipeline.deliverNow(second!, { timeoutMs: 10_000 });
  expect(keptIn(memory)).toEqual([]);
  expect(pipeline.handOver.begin(true).events).toEqual([]);
  expect(keptIn(memory)).toEqual(['id_0', 'id_1']);
});

it.each<[string, (store: SlowStore) => void]>([
  ['cannot write at once', (store) => delete store.commit],
  [
    'fails',
    (store) => {
      store.commit = () => {
        throw new Error('disk full');
      };
    },
  ],
])('leaves what a store that %s may not keep', (_, breakIt) => {
  const memory = new SharedMemory();
  const store = new SlowStore(memory);
  const { pipeline } = setUp(store);
  const [first, second] = manyEvents(2);
  pipeline.accept(first!);
  store.append = MemoryEventStore.prototype.append as never;
  pipeline.accept(second!);
  breakIt(store);
  expect(idsOf(pipeline.handOver.begin(true).events)).toEqual(['id_0']);
  expect(keptIn(memory)).toEqual(['id_1']);
});

it('removes from the store what was delivered, and keeps the rest', async () => {
  const memory = new SharedMemory();
  const store = new MemoryEventStore(memory);
  const { pipeline, events, delivered } = await withRequest(Object.assign(store, { commit: () => undefined }));
  pipeline.handOver.begin(false).settle(new Set([events[0]!, events[2]!, events[3]!]), 5);
  expect(delivered).toEqual(['id_2', 'id_3']);
  expect(keptIn(memory)).toEqual(['id_1', 'id_4']);
});
