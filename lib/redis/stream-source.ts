import { type QueuedEvent } from '../delivery/delivery.js';
import { type Recovery, type RecoveryRequest } from '../delivery/durability/event-store.js';
import { within } from '../delivery/timers.js';
import { type QueueSource } from '../queue/capture-queue.js';
import { privateNote } from '../records/event-places.js';
import { type Block, HeldPartition, type PartitionContext, type Room } from './held-partition.js';
import { type LeaseEvents, type LeaseTimes, PartitionLeases } from './partition-leases.js';
import { type RedisClient } from './redis-client.js';
import { describeRedisError } from './redis-errors.js';
import { type StreamKeys } from './stream-keys.js';

/** Waits between two looks at a queue that is empty. */
const MIN_IDLE_MS = 100;
const MAX_IDLE_MS = 1000;
/** The first `recover` waits no longer than this for Redis, so as not to delay the boot. */
const FIRST_WAIT_MS = 250;

export interface StreamSourceOptions {
  readonly keysOf: (project: string) => StreamKeys;
  readonly partitions: number;
  readonly onClosed?: () => void;
  readonly times?: LeaseTimes;
}

const NOTHING: Recovery = { events: [], warnings: [] };

/** Takes events from the streams of a project. */
export class StreamSource implements QueueSource {
  readonly #client: RedisClient;
  readonly #options: StreamSourceOptions;
  readonly #partitions = new Map<number, HeldPartition>();
  /** The blocks of the events that were handed out and are not done with. */
  readonly #blocks = privateNote<Block | null>();
  #project: string | null = null;
  #leases: PartitionLeases | null = null;
  #onGone: RecoveryRequest['onGone'];
  #warnings: string[] = [];
  #damaged = 0;
  #hasNewer = false;
  #isFailing = false;
  #idleMs = MIN_IDLE_MS;
  #flush: NodeJS.Immediate | null = null;
  #isClosed = false;
  /** The result of the first call, which returned before it. */
  #late: Promise<Recovery> | null = null;

  constructor(client: RedisClient, options: StreamSourceOptions) {
    this.#client = client;
    this.#options = options;
  }

  /** That of `recover`; null before its first call. */
  get project(): string | null {
    return this.#project;
  }

  get lookAgainMs(): number {
    return this.#idleMs;
  }

  get partitionsHeld(): number {
    return this.#leases?.size ?? 0;
  }

  /** True if there are blocks of a newer version, which were left where they are. */
  get hasNewer(): boolean {
    return this.#hasNewer;
  }

  async recover({ project, maxEvents, maxBytes, onGone }: RecoveryRequest): Promise<Recovery> {
    this.#onGone = onGone;
    if (this.#isClosed) return NOTHING;
    if (!this.#leases) {
      this.#client.enter(this);
      this.#leases = this.#startLeases(project);
      await within(this.#leases.start(), FIRST_WAIT_MS, undefined);
      const first = this.#take(maxEvents, maxBytes);
      const inTime = await within(first, FIRST_WAIT_MS, null);
      if (inTime) return inTime;
      this.#late = first;
      return { ...NOTHING, more: true };
    }
    const late = this.#late;
    this.#late = null;
    return late ? this.#stillHeld(await late) : this.#take(maxEvents, maxBytes);
  }

  remove(events: readonly QueuedEvent[]): undefined {
    for (const event of events) {
      const block = this.#blocks.read(event);
      if (!block) continue;
      this.#blocks.write(event, null);
      block.open -= 1;
      if (block.open === 0) block.partition.delete(block);
    }
    this.#flush ??= setImmediate(() => void this.#flushNow());
  }

  confirm(events: readonly QueuedEvent[]): Promise<void> | undefined {
    const partitions = new Set<number>();
    for (const event of events) {
      const partition = this.#blocks.read(event)?.partition;
      if (partition) partitions.add(partition.index);
    }
    const unknown = [...partitions]
      .map((partition) => this.#leases?.confirm(partition))
      .filter((one) => one !== undefined);
    return unknown.length === 0 ? undefined : Promise.all(unknown).then(() => undefined);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#flushNow();
    await this.#leases?.release();
    for (const partition of this.#partitions.values()) partition.lose();
    this.#partitions.clear();
    this.#client.leave(this);
    this.#options.onClosed?.();
  }

  /** Another relay may have taken events over before they were returned. */
  #stillHeld({ events, warnings }: Recovery): Recovery {
    return { events: events.filter((event) => this.#blocks.read(event)), warnings, more: true };
  }

  /** Returns the events of one read, so that they can be sent while the next ones are read. */
  async #take(maxEvents: number, maxBytes: number): Promise<Recovery> {
    const events: QueuedEvent[] = [];
    const room: Room = { events: maxEvents, bytes: maxBytes };
    let isMore = true;
    let hasRoom = true;
    try {
      await this.#flushNow();
      hasRoom = this.#handOut(events, room);
      while (hasRoom && isMore && events.length === 0) {
        isMore = await this.#read();
        hasRoom = this.#handOut(events, room);
      }
      this.#isFailing = false;
    } catch (error) {
      this.#warnOfFailure(error);
    }
    this.#idleMs = events.length > 0 ? MIN_IDLE_MS : Math.min(MAX_IDLE_MS, this.#idleMs * 2);
    // While these events are sent.
    if (events.length > 0) void this.#read().catch(() => undefined);
    const warnings = this.#warnings;
    this.#warnings = [];
    return { events, warnings, more: hasRoom && isMore && events.length > 0 };
  }

  /** Hands out what was read, oldest first. Returns false if there is no room for more. */
  #handOut(events: QueuedEvent[], room: Room): boolean {
    if (room.events < 1 || this.#isClosed) return false;
    for (;;) {
      const next = oldestOf(this.#partitions.values());
      if (!next) return true;
      if (!next.handOut(events, room)) return false;
    }
  }

  /** Resolves with true if there may be more entries. */
  async #read(): Promise<boolean> {
    const reads = await Promise.all([...this.#partitions.values()].map((partition) => partition.read()));
    return reads.includes(true) && !this.#isClosed;
  }

  async #flushNow(): Promise<void> {
    if (this.#flush) clearImmediate(this.#flush);
    this.#flush = null;
    await Promise.all([...this.#partitions.values()].map((partition) => partition.flush()));
    await this.#leases?.giveUpIdle();
  }

  #startLeases(project: string): PartitionLeases {
    const { keysOf, partitions, times } = this.#options;
    const keys = keysOf(project);
    this.#project = project;
    const context: PartitionContext = {
      client: this.#client,
      keys,
      project,
      blocks: this.#blocks,
      onDamaged: () => this.#warnOfDamage(),
      onNewer: () => this.#warnOfNewer(),
      onMissing: () => this.#warnings.push(MISSING),
    };
    const events: LeaseEvents = {
      onTaken: (index) => this.#partitions.set(index, new HeldPartition(index, context)),
      onLost: (index, tooEarly) => this.#lose(index, tooEarly),
      onDrain: (index, isDraining) => this.#partitions.get(index)?.drain(isDraining),
      isIdle: (index) => this.#partitions.get(index)?.isIdle ?? true,
    };
    return new PartitionLeases(this.#client, keys, partitions, events, times);
  }

  #lose(index: number, tooEarly: boolean): void {
    const partition = this.#partitions.get(index);
    if (!partition) return;
    this.#partitions.delete(index);
    const stored = tooEarly ? partition.isStored() : null;
    const gone = partition.lose();
    if (gone.length === 0) return;
    if (stored === null) this.#onGone?.(gone);
    // After FLUSHALL, a relay that has just started may take the partition first. It does not have these events: nobody else has.
    else
      void stored.then(
        (isStored) => isStored && this.#onGone?.(gone),
        () => undefined,
      );
  }

  #warnOfFailure(error: unknown): void {
    if (this.#isFailing || this.#isClosed) return;
    this.#isFailing = true;
    const { message, remedy } = describeRedisError(error);
    this.#warnings.push(`${message}: ${remedy}. Events stay in Redis until it works.`);
  }

  #warnOfDamage(): void {
    this.#damaged += 1;
    if (this.#damaged === 1) this.#warnings.push(DAMAGED);
  }

  #warnOfNewer(): void {
    if (!this.#hasNewer) this.#warnings.push(NEWER);
    this.#hasNewer = true;
  }
}

/** The partition whose next block is the oldest. */
function oldestOf(partitions: Iterable<HeldPartition>): HeldPartition | null {
  let oldest: HeldPartition | null = null;
  let oldestMs = Infinity;
  for (const partition of partitions) {
    // An id starts with the time in milliseconds.
    const ms = partition.nextId === null ? Infinity : Number.parseInt(partition.nextId, 10);
    if (ms >= oldestMs) continue;
    oldest = partition;
    oldestMs = ms;
  }
  return oldest;
}

const MISSING =
  'Redis has lost events of the queue that relays had not sent: by FLUSHALL, an eviction policy, or a failover to a replica that lacked them. ' +
  'Set maxmemory-policy to noeviction, and see "confirm" in docs/fleet.md.';

const DAMAGED =
  'The queue contained a block of events that cannot be read. It was moved to the stream that ends with ":damaged", and the others are sent.';

const NEWER =
  'The queue contains events of a newer version of nestjs-posthog-capture. They stay there: update the relays, which must be updated before the pods.';
