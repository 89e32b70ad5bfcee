import { afterEach, beforeEach, expect, it, jest } from '@jest/globals';
import { type DropReason, type QueuedEvent } from 'nestjs-posthog-capture';
import { type BatchOutcome, type SendBatch } from '../../lib/delivery/delivery.js';
import { type DeliveryOptions, DeliveryPipeline } from '../../lib/delivery/delivery-pipeline.js';
import { MemoryQueue, type MemoryQueueSource } from '../support/memory-queue.js';
import { Receiver } from '../support/receiver.js';
import { SEED, Seeded } from '../support/seeded.js';
import { senderOf, SILENT_OBSERVER } from '../support/silent-observer.js';

/** Number of schedules. A long run: `FAULT_SCHEDULES=1000 FAULT_SEED=7 npm test -- fleet-simulation`. */
const SCHEDULES = Math.ceil(Number(process.env.FAULT_SCHEDULES ?? 60) / 3);
const PROJECT = 'one';
const MINUTE_MS = 60_000;

// Pods, a queue and relays in simulated time: leases that expire take no time, and a seed that fails always fails.
beforeEach(() => void jest.useFakeTimers({ now: 0 }));
let world: World | undefined;
afterEach(() => {
  // Otherwise killed relays keep trying, on the real clock from now on.
  for (const { source } of world?.relays ?? []) void source.close();
  jest.restoreAllMocks();
  jest.useRealTimers();
});

/** The faults of a schedule, besides those of the receiver. */
interface FaultKinds {
  /** Operations of the queue fail, or their answer is lost: events may be put twice. */
  readonly queue: boolean;
  /** Relays are killed, cut off from the queue, or lose their leases. */
  readonly leases: boolean;
}

/** One pipeline and its books. */
class Member {
  readonly pipeline: DeliveryPipeline;
  readonly delivered = new Set<string>();
  readonly dropped = new Map<string, DropReason>();
  captured = 0;
  /** Killed: it does nothing more, and its books are lost. */
  isDead = false;
  isClosed = false;
  #count = 0;

  constructor(world: World, create: (member: Member) => DeliveryPipeline) {
    this.pipeline = create(this);
    world.members.add(this);
  }

  observer(flaws: string[], mayRepeat: boolean) {
    return {
      ...SILENT_OBSERVER,
      delivered: (events: readonly QueuedEvent[]) => {
        if (this.isDead) return;
        this.#count += events.length;
        for (const { id } of events) {
          if (!mayRepeat && (this.delivered.has(id) || this.dropped.has(id))) flaws.push(`${id} has two fates`);
          this.delivered.add(id);
        }
      },
      dropped: ({ uuid, reason }: { uuid: string | null; reason: DropReason }) => {
        if (this.isDead) return;
        this.#count += 1;
        if (!mayRepeat && (this.delivered.has(uuid ?? '') || this.dropped.has(uuid ?? ''))) {
          flaws.push(`${uuid} has two fates`);
        }
        this.dropped.set(uuid ?? '', reason);
      },
    };
  }

  /** Wraps `send`: the requests of a killed process have no effect and no answer. */
  alive(send: SendBatch): SendBatch {
    return (batch, attempt) => (this.isDead ? new Promise<BatchOutcome>(() => undefined) : send(batch, attempt));
  }

  get imbalance(): number {
    const { recovered, pending } = this.pipeline.stats();
    return this.captured + recovered - this.#count - pending;
  }
}

class World {
  readonly members = new Set<Member>();
  readonly queue: MemoryQueue;
  readonly receiver: Receiver;
  readonly pods: Member[] = [];
  readonly relays: { readonly member: Member; readonly source: MemoryQueueSource }[] = [];
  /** By id of a captured event, the pod. */
  readonly origin = new Map<string, Member>();
  readonly closing: Promise<unknown>[] = [];
  readonly #random: Seeded;
  readonly #kinds: FaultKinds;

  constructor(random: Seeded, kinds: FaultKinds) {
    this.#random = random;
    this.#kinds = kinds;
    this.queue = new MemoryQueue(random.pick([1, 4, 7]));
    this.receiver = new Receiver(random, {
      order: kinds.queue || kinds.leases ? 'first' : 'always',
      oneRequestPerKey: !kinds.leases,
      // Several pods capture events of one person; each hands them over in order.
      laneOf: ({ id, orderKey }) => `${orderKey} of pod ${[...this.members].indexOf(this.origin.get(id)!)}`,
    });
    if (kinds.queue) this.fail();
  }

  get flaws(): string[] {
    return this.receiver.flaws;
  }

  fail(): void {
    const random = this.#random;
    this.queue.faults = {
      fails: () => random.chance(0.1),
      isFull: () => random.chance(0.1),
      losesAnswer: () => random.chance(0.1),
      takesMs: () => random.below(300),
    };
  }

  startPod(): void {
    const random = this.#random;
    const sender = this.queue.sender(PROJECT);
    const create = (member: Member): DeliveryPipeline =>
      new DeliveryPipeline(
        podOptions(random),
        { ...sender, send: member.alive(sender.send) },
        member.observer(this.flaws, false),
        undefined,
        { sender: senderOf(this.receiver.send), options: relayOptions(random) },
      );
    this.pods.push(new Member(this, create));
  }

  startRelay(): void {
    const source = this.queue.source();
    const originals = new WeakMap<QueuedEvent, QueuedEvent>();
    const adapt = (event: QueuedEvent): QueuedEvent => {
      const adapted = { ...event };
      originals.set(adapted, event);
      return adapted;
    };
    const send: SendBatch = (batch, attempt) => {
      if (!source.isCertain) this.flaws.push('sent without a valid lease');
      const gone = batch.events.filter((event) => !source.holds(originals.get(event)!));
      if (gone.length > 0) this.flaws.push(`sent ${gone.length} events that are gone`);
      return this.receiver.send(batch, attempt);
    };
    const create = (member: Member): DeliveryPipeline =>
      new DeliveryPipeline(
        relayOptions(this.#random),
        senderOf(member.alive(send)),
        // What was put twice, or went to another relay and back, has two fates.
        member.observer(this.flaws, this.#kinds.queue || this.#kinds.leases),
        { store: source, project: PROJECT, adapt, describeError: String },
      );
    const member = new Member(this, create);
    this.relays.push({ member, source });
    void member.pipeline.recover();
  }

  /** Closes one as a rolling deployment does: within its time, and without a loss. */
  stop(member: Member): void {
    const { shutdownTimeoutMs } = LIMITS;
    const startedAt = performance.now();
    const closed = member.pipeline.close().then(() => {
      member.isClosed = true;
      const ms = performance.now() - startedAt;
      if (!member.isDead && ms > 2 * shutdownTimeoutMs) this.flaws.push(`closed after ${ms} ms`);
    });
    this.closing.push(closed);
  }

  /** It does nothing more, and says nothing: others must notice by themselves. */
  kill({ member, source }: World['relays'][number]): void {
    member.isDead = true;
    source.isCut = true;
  }

  capture(pod: Member): void {
    const random = this.#random;
    const event = newEvent(random, this.origin.size, random.chance(0.02) ? 'poison' : 'step');
    this.origin.set(event.id, pod);
    pod.captured += 1;
    pod.pipeline.accept(event);
  }

  captureNow(pod: Member): void {
    const event = newEvent(this.#random, this.origin.size, 'now');
    this.origin.set(event.id, pod);
    pod.captured += 1;
    this.closing.push(pod.pipeline.deliverNow(event, { timeoutMs: this.#random.below(5000) }));
  }

  checkBooks(): void {
    for (const member of this.members) {
      if (!member.isDead && member.imbalance !== 0) this.flaws.push(`out of balance: ${member.imbalance}`);
    }
  }

  /** Events that are not on their way any more. */
  get isDone(): boolean {
    const isSettled = ({ isDead, isClosed, pipeline }: Member): boolean =>
      isDead || isClosed || pipeline.stats().pending === 0;
    return this.queue.size === 0 && [...this.members].every(isSettled);
  }
}

const LIMITS = { shutdownTimeoutMs: 5000 };

function newEvent(random: Seeded, seq: number, name: string): QueuedEvent {
  const orderKey = `p${random.below(6)}`;
  const bytes = 1 + random.below(12);
  return { id: String(seq), name, orderKey, format: 'v0', payload: '{}', bytes, capturedAt: Date.now() };
}

const podOptions = (random: Seeded): DeliveryOptions => ({
  ...LIMITS,
  flushAt: 1,
  flushIntervalMs: 1000,
  lingerMs: random.pick([0, 5]),
  maxBatchEvents: random.pick([3, 500]),
  maxBatchBytes: 1000,
  maxQueueEvents: random.pick([5, 10_000]),
  maxQueueBytes: 100_000,
  concurrency: random.pick([1, 4]),
  maxRetries: 3,
  retryBaseMs: 100,
  retryMaxMs: 1000,
  coolDownMs: 1000,
  maxEventAgeMs: null,
});

const relayOptions = (random: Seeded): DeliveryOptions => ({
  ...LIMITS,
  flushAt: random.pick([1, 20]),
  flushIntervalMs: random.pick([0, 1000]),
  maxBatchEvents: random.pick([2, 20]),
  maxBatchBytes: random.pick([20, 1000]),
  maxQueueEvents: random.pick([4, 50, 10_000]),
  maxQueueBytes: random.pick([100, 100_000]),
  concurrency: random.pick([1, 4]),
  maxRetries: random.pick([0, 3]),
  retryBaseMs: 1000,
  retryMaxMs: 30_000,
  coolDownMs: random.pick([1000, 30_000]),
  maxEventAgeMs: random.pick([null, null, 60_000]),
});

function act(world: World, random: Seeded, kinds: FaultKinds): void {
  const livingPods = world.pods.filter((pod) => !pod.isDead);
  for (const pod of livingPods) {
    for (let count = random.below(6); count > 0; count -= 1) world.capture(pod);
    if (random.chance(0.05)) world.captureNow(pod);
    if (random.chance(0.1)) world.closing.push(pod.pipeline.flush(random.below(2000)));
  }
  if (random.chance(0.05)) {
    const [oldest] = world.pods.splice(0, 1);
    if (oldest) world.stop(oldest);
    world.startPod();
  }
  if (random.chance(0.1)) {
    // A rolling deployment: the new one comes first.
    world.startRelay();
    const [oldest] = world.relays.splice(0, 1);
    if (oldest) world.stop(oldest.member);
  }
  if (!kinds.leases) return;
  if (random.chance(0.05)) world.queue.loseLeases();
  // Often for longer than a lease.
  for (const { source } of world.relays) if (random.chance(source.isCut ? 0.04 : 0.08)) source.isCut = !source.isCut;
  if (random.chance(0.05) && world.relays.length > 0) {
    const [killed] = world.relays.splice(random.below(world.relays.length), 1);
    if (killed) world.kill(killed);
    world.startRelay();
  }
}

const KINDS: readonly [FaultKinds, ...FaultKinds[]] = [
  { queue: false, leases: false },
  { queue: true, leases: false },
  { queue: true, leases: true },
  { queue: false, leases: true },
];

it.each(Array.from({ length: SCHEDULES }, (_, index) => SEED * 10_000 + index))(
  'pods, a queue and relays account for every event, in order, under random faults (seed %i)',
  async (seed) => {
    const random = new Seeded(seed);
    jest.spyOn(Math, 'random').mockImplementation(() => random.next());
    const kinds = KINDS[seed % KINDS.length] ?? KINDS[0];
    world = new World(random, kinds);
    for (let count = 1 + random.below(3); count > 0; count -= 1) world.startPod();
    for (let count = 1 + random.below(2); count > 0; count -= 1) world.startRelay();
    for (let turn = 10 + random.below(30); turn > 0; turn -= 1) {
      if (random.chance(0.1)) world.receiver.failures = random.pick([0, 1 / 3, 1]);
      act(world, random, kinds);
      await jest.advanceTimersByTimeAsync(random.below(2000));
      world.checkBooks();
    }
    // All is well again: everything arrives without further ado.
    world.queue.faults = {};
    world.receiver.failures = 0;
    for (const { source } of world.relays) source.isCut = false;
    for (let waited = 0; waited < 20 * MINUTE_MS && !world.isDone; waited += 5000) {
      await jest.advanceTimersByTimeAsync(5000);
      world.checkBooks();
    }
    expect([world.queue.size, world.isDone]).toEqual([0, true]);
    for (const pod of world.pods) world.stop(pod);
    for (const { member } of world.relays) world.stop(member);
    await jest.advanceTimersByTimeAsync(MINUTE_MS);
    await Promise.all(world.closing);
    checkFates(world, kinds);
    expect(world.flaws).toEqual([]);
  },
);

/** Compares what was captured with what arrived. */
function checkFates({ origin, members, receiver, flaws }: World, kinds: FaultKinds): void {
  const relays = [...members].filter(({ captured }) => captured === 0);
  for (const [id, pod] of origin) {
    const arrivals = receiver.accepted.get(id) ?? 0;
    const wasTaken = pod.delivered.has(id);
    if (wasTaken === pod.dropped.has(id)) flaws.push(`${id} has ${wasTaken ? 'two fates' : 'no fate'} on its pod`);
    const wasDropped = relays.some(({ dropped }) => dropped.has(id));
    if (wasTaken && arrivals === 0 && !wasDropped) flaws.push(`${id} is lost`);
    if (!kinds.queue && !kinds.leases && arrivals > 1) flaws.push(`${id} arrived ${arrivals} times`);
  }
}
