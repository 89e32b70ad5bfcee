import { type QueuedEvent, type Recovery, type RecoveryRequest } from 'nestjs-posthog-capture';
import { type BatchOutcome, type Sender, type SendFailure } from '../../lib/delivery/delivery.js';
import { type CaptureQueue, type QueueSample, type QueueSource } from '../../lib/queue/capture-queue.js';

/** Faults that a test injects. Each is asked for at every operation. Default: none. */
export interface MemoryQueueFaults {
  /** The queue does not answer, and does nothing: a broken connection. */
  readonly fails: () => boolean;
  /** The queue is full: it takes no events. */
  readonly isFull: () => boolean;
  /** The operation is done, but its answer is lost. */
  readonly losesAnswer: () => boolean;
  /** Duration of an operation in milliseconds. */
  readonly takesMs: () => number;
}

interface Entry {
  readonly project: string;
  readonly event: QueuedEvent;
}

/** The events of some order keys, in the order in which they were put. */
interface Partition {
  readonly entries: Set<Entry>;
  owner: { readonly relay: object; until: number } | null;
}

export const LEASE_MS = 15_000;
const RENEW_MS = 5000;
export const QUEUE_FAILURE: SendFailure = { message: 'the queue is down', remedy: 'none', anySize: true };

/** A queue in memory that behaves as one behind a network does, with leases, several relays, and faults. */
export class MemoryQueue implements CaptureQueue {
  faults: Partial<MemoryQueueFaults> = {};
  /** Number of operations, for each. */
  readonly counts = { put: 0, recover: 0, remove: 0, renew: 0 };
  readonly #partitions: readonly Partition[];
  readonly #relays = new Map<object, number>();

  constructor(partitions = 4) {
    this.#partitions = Array.from({ length: partitions }, () => ({ entries: new Set(), owner: null }));
  }

  /** Number of events in the queue, those that relays hold included. */
  get size(): number {
    return this.#partitions.reduce((sum, { entries }) => sum + entries.size, 0);
  }

  put(project: string, events: readonly QueuedEvent[]): void {
    for (const event of events) this.#partitionOf(event).entries.add({ project, event: { ...event } });
  }

  sender(project: string): Sender {
    const send = async (events: readonly QueuedEvent[]): Promise<BatchOutcome> => {
      if (!(await this.arrives('put')) || this.faults.isFull?.()) return { kind: 'retryable', failure: QUEUE_FAILURE };
      this.put(project, events);
      if (this.faults.losesAnswer?.()) return { kind: 'retryable', failure: QUEUE_FAILURE };
      return { kind: 'settled', rejected: [], retry: [] };
    };
    return {
      send: ({ events }) => send(events),
      messages: {
        aborted: 'aborted',
        timedOut: () => 'timed out',
        askedAgain: QUEUE_FAILURE,
        refusesEveryEvent: 'none',
        limited: () => QUEUE_FAILURE,
      },
      release: () => undefined,
    };
  }

  source(): MemoryQueueSource {
    return new MemoryQueueSource(this);
  }

  sample(project: string): Promise<QueueSample> {
    const entries = this.#partitions.flatMap((partition) => [...partition.entries]);
    const own = entries.filter((entry) => entry.project === project).map(({ event }) => event);
    return Promise.resolve({
      state: this.faults.fails?.() ? 'down' : this.faults.isFull?.() ? 'full' : 'ok',
      events: own.length,
      bytes: own.reduce((sum, { bytes }) => sum + bytes, 0),
      oldestMs: Math.max(0, ...own.map(({ capturedAt }) => Date.now() - capturedAt)),
      relays: this.#relays.size,
      partitionsHeld: 0,
      problems: [],
    });
  }

  /** Makes the queue forget all relays and leases, as a server that lost them: the next relay to ask gets the partitions. */
  loseLeases(): void {
    this.#relays.clear();
    for (const partition of this.#partitions) partition.owner = null;
  }

  /** Called for each operation. Resolves with false if it does not reach the queue. */
  async arrives(operation: keyof MemoryQueue['counts']): Promise<boolean> {
    this.counts[operation] += 1;
    const ms = this.faults.takesMs?.() ?? 0;
    const fails = this.faults.fails?.() === true;
    if (ms > 0) await new Promise((resolve) => void setTimeout(resolve, ms));
    return !fails;
  }

  /** Takes partitions that no living relay owns, up to a fair share, and renews those of this relay. */
  lease(relay: object, held: readonly Partition[]): { readonly lost: Partition[]; readonly owned: Partition[] } {
    const now = performance.now();
    this.#relays.set(relay, now + LEASE_MS);
    for (const [other, until] of this.#relays) if (until < now) this.#relays.delete(other);
    const share = Math.ceil(this.#partitions.length / this.#relays.size);
    const isFree = ({ owner }: Partition): boolean => owner === null || owner.relay === relay || owner.until < now;
    const owned = held.filter(isFree);
    for (const partition of this.#partitions) {
      if (owned.length < share && isFree(partition) && !held.includes(partition)) owned.push(partition);
    }
    for (const partition of owned) partition.owner = { relay, until: now + LEASE_MS };
    return { owned, lost: held.filter((partition) => !owned.includes(partition)) };
  }

  /** Number of partitions that a relay should own at most. */
  get share(): number {
    return Math.ceil(this.#partitions.length / Math.max(1, this.#relays.size));
  }

  release(relay: object, partition: Partition): void {
    if (partition.owner?.relay === relay) partition.owner = null;
  }

  leave(relay: object): void {
    this.#relays.delete(relay);
    for (const partition of this.#partitions) this.release(relay, partition);
  }

  #partitionOf({ orderKey }: QueuedEvent): Partition {
    let hash = 0;
    for (const character of orderKey) hash = (Math.imul(hash, 31) + (character.codePointAt(0) ?? 0)) >>> 0;
    return this.#partitions[hash % this.#partitions.length]!;
  }
}

/** Takes events from a MemoryQueue: the side of a relay. */
export class MemoryQueueSource implements QueueSource {
  readonly lookAgainMs = 100;
  /** Its connection is cut: nothing that it does reaches the queue. */
  isCut = false;
  readonly #queue: MemoryQueue;
  /** The partitions that it owns, and the entries of each that it has returned. */
  readonly #held = new Map<Partition, Map<QueuedEvent, Entry>>();
  readonly #places = new Map<QueuedEvent, Partition>();
  #removals: QueuedEvent[] = [];
  #onGone: RecoveryRequest['onGone'];
  #validUntil = -Infinity;
  #renewal: ReturnType<typeof setInterval> | null = null;
  #isClosed = false;

  constructor(queue: MemoryQueue) {
    this.#queue = queue;
  }

  get partitionsHeld(): number {
    return this.#held.size;
  }

  /** True if it knows that its partitions are its own. */
  get isCertain(): boolean {
    return performance.now() < this.#validUntil;
  }

  /** True if it returned this event, which was neither removed nor taken over since. */
  holds(event: QueuedEvent): boolean {
    return this.#places.has(event);
  }

  async recover({ project, maxEvents, maxBytes, onGone }: RecoveryRequest): Promise<Recovery> {
    this.#onGone = onGone;
    this.#renewal ??= setInterval(() => void this.#renew(), RENEW_MS).unref();
    const isUp = (await this.#renew()) && (await this.#arrives('recover'));
    if (this.#isClosed || !isUp) return { events: [], warnings: isUp ? [] : [QUEUE_FAILURE.message] };
    await this.#removeNow();
    this.#letGo();
    const events: QueuedEvent[] = [];
    let bytes = 0;
    for (const [partition, taken] of this.#held) {
      const known = new Set(taken.values());
      for (const entry of partition.entries) {
        if (entry.project !== project || known.has(entry)) continue;
        bytes += entry.event.bytes;
        if (events.length >= maxEvents || (bytes > maxBytes && events.length > 0)) return { events, warnings: [] };
        const event = { ...entry.event };
        taken.set(event, entry);
        this.#places.set(event, partition);
        events.push(event);
      }
    }
    return { events, warnings: [] };
  }

  remove(events: readonly QueuedEvent[]): undefined {
    this.#removals.push(...events);
    void this.#removeNow();
  }

  confirm(events: readonly QueuedEvent[]): Promise<void> | undefined {
    if (this.isCertain || !events.some((event) => this.holds(event))) return undefined;
    return this.#confirmed();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    if (this.#renewal) clearInterval(this.#renewal);
    await this.#removeNow();
    if (!this.isCut) this.#queue.leave(this);
    this.#held.clear();
    this.#places.clear();
  }

  async #confirmed(): Promise<void> {
    while (!this.#isClosed && performance.now() >= this.#validUntil) {
      if (await this.#renew()) return;
      await new Promise((resolve) => void setTimeout(resolve, 1000));
    }
  }

  /** Returns false if the queue does not answer. */
  async #renew(): Promise<boolean> {
    const since = performance.now();
    if (!(await this.#arrives('renew')) || this.#isClosed) return false;
    const { owned, lost } = this.#queue.lease(this, [...this.#held.keys()]);
    for (const partition of owned) if (!this.#held.has(partition)) this.#held.set(partition, new Map());
    this.#validUntil = since + LEASE_MS;
    for (const partition of lost) {
      const gone = [...(this.#held.get(partition)?.keys() ?? [])];
      this.#held.delete(partition);
      for (const event of gone) this.#places.delete(event);
      if (gone.length > 0) this.#onGone?.(gone);
    }
    return true;
  }

  async #arrives(operation: keyof MemoryQueue['counts']): Promise<boolean> {
    return (await this.#queue.arrives(operation)) && !this.isCut;
  }

  /** Other relays get their share as soon as a partition holds nothing in flight. */
  #letGo(): void {
    for (const [partition, taken] of this.#held) {
      if (this.#held.size <= this.#queue.share) return;
      if (taken.size > 0) continue;
      this.#held.delete(partition);
      this.#queue.release(this, partition);
    }
  }

  async #removeNow(): Promise<void> {
    if (this.#removals.length === 0 || !(await this.#arrives('remove'))) return;
    for (const event of this.#removals.splice(0)) {
      const partition = this.#places.get(event);
      const entry = partition && this.#held.get(partition)?.get(event);
      if (!partition || !entry) continue;
      partition.entries.delete(entry);
      this.#held.get(partition)?.delete(event);
      this.#places.delete(event);
    }
  }
}
