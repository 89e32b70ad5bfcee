import { randomUUID } from 'node:crypto';
import { backgroundTimer, Sleepers, stopTimer, type Timer } from '../delivery/timers.js';
import { type RedisClient } from './redis-client.js';
import { MAX_PARTITIONS, type StreamKeys } from './stream-keys.js';

export interface LeaseTimes {
  /** A relay that is silent for this long has lost its partitions. */
  readonly leaseMs: number;
  readonly renewMs: number;
  /** Longest interval at which free partitions are looked for. */
  readonly balanceMs: number;
}

const TIMES: LeaseTimes = { leaseMs: 15_000, renewMs: 5000, balanceMs: 1000 };
const RETRY_MS = 200;
/**
 * After a relay has come or gone, the interval between rounds starts at this fraction of `balanceMs` and doubles, until this relay has its
 * share.
 */
const FIRST_ROUND = 1 / 10;
/** Rounds in which nothing is taken, after Redis has lost its data. One is too few for a relay whose round is late. */
const ROUNDS_TO_RENEW = 2;
/** Multiple of `renewMs` at which partitions of pods with another setting are looked for. */
const OTHERS_INTERVALS = 4;

/**
 * Takes or renews a lease. An absent one counts as ours: a Redis that hung or lost the key then costs nothing. DEL comes first, because a
 * full Redis refuses SET, but not after a write of the same script: relays must be able to empty it.
 */
const CLAIM =
  "local o=redis.call('get',KEYS[1]) if not o or o==ARGV[1] then redis.call('del',KEYS[1]) redis.call('set',KEYS[1],ARGV[1],'PX',ARGV[2]) return 1 end return 0";
const RELEASE = "if redis.call('get',KEYS[1])==ARGV[1] then return redis.call('del',KEYS[1]) end return 0";
/** Registers a relay by the clock of Redis. Returns the number of living ones, and 1 if it was not among them. */
const REGISTER =
  "local t=redis.call('time') local now=t[1]*1000+math.floor(t[2]/1000) redis.call('zremrangebyscore',KEYS[1],'-inf',now) " +
  "local added=redis.call('zadd',KEYS[1],now+ARGV[2],ARGV[1]) return {redis.call('zcard',KEYS[1]),added}";

interface Lease {
  readonly partition: number;
  /** By the monotonic clock, counted from before the command was sent. */
  validUntil: number;
  renewAt: number;
  renewing: Promise<void> | null;
  /** To be given up, because another relay has none, when it holds no event any more. */
  draining: boolean;
}

export interface LeaseEvents {
  readonly onTaken: (partition: number) => void;
  /**
   * Another relay has it.
   *
   * @param tooEarly true if this relay had not let its lease end: Redis has lost the lease, and perhaps the events
   */
  readonly onLost: (partition: number, tooEarly: boolean) => void;
  /** No further events of it should be handed out. */
  readonly onDrain: (partition: number, isDraining: boolean) => void;
  /** True if none of its events is in this process, so that it can be given up. */
  readonly isIdle: (partition: number) => boolean;
}

/** The partitions of a project that this relay holds. All relays of the project share them: none has more than its share, rounded up. */
export class PartitionLeases {
  readonly #client: RedisClient;
  readonly #keys: StreamKeys;
  readonly #partitions: number;
  readonly #events: LeaseEvents;
  readonly #times: LeaseTimes;
  readonly #id = randomUUID();
  readonly #held = new Map<number, Lease>();
  readonly #sleepers = new Sleepers();
  /** Partitions beyond `#partitions` that have events: of pods with another setting. */
  #others: readonly number[] = [];
  #othersAt = -Infinity;
  #timer: Timer | null = null;
  #round: Promise<void> = Promise.resolve();
  #released = false;
  /** Number of rounds in which nothing is taken. */
  #waitRounds = 0;
  #isRegistered = false;
  /** Number of living relays, as of the last round. */
  #relays = 0;
  #nextRoundMs = 0;

  constructor(client: RedisClient, keys: StreamKeys, partitions: number, events: LeaseEvents, times = TIMES) {
    this.#client = client;
    this.#keys = keys;
    this.#partitions = partitions;
    this.#events = events;
    this.#times = times;
  }

  get size(): number {
    return this.#held.size;
  }

  /** Resolves after the first attempt to take partitions. */
  start(): Promise<void> {
    this.#round = this.#balance()
      // Redis is down, which the sample of the queue reports.
      .catch(() => {
        this.#waitRounds = Math.max(1, this.#waitRounds);
        this.#nextRoundMs = this.#times.balanceMs;
      })
      .then(() => {
        if (!this.#released) this.#timer = backgroundTimer(() => void this.start(), this.#nextRoundMs);
      });
    return this.#round;
  }

  /** Returns nothing if the lease is valid, and otherwise a promise that resolves when it is, or when it is lost. */
  confirm(partition: number): Promise<void> | undefined {
    const lease = this.#held.get(partition);
    return lease && !isValid(lease) ? this.#renewUntilKnown(lease) : undefined;
  }

  /** Gives up the partitions that are draining and idle. Never rejects: a lease that cannot be given up ends by itself. */
  async giveUpIdle(): Promise<void> {
    const idle = [...this.#held.values()].filter(
      ({ draining, partition }) => draining && this.#events.isIdle(partition),
    );
    await Promise.allSettled(idle.map((lease) => this.#let(lease)));
  }

  /** Gives up all partitions, so that other relays need not wait until their leases end. */
  async release(): Promise<void> {
    this.#released = true;
    stopTimer(this.#timer);
    this.#sleepers.wake(false);
    await this.#round;
    const held = [...this.#held.keys()];
    this.#held.clear();
    const commands = held.map((partition) =>
      this.#client.send('EVAL', RELEASE, '1', this.#keys.owner(partition), this.#id),
    );
    await Promise.allSettled([...commands, this.#client.send('ZREM', this.#keys.relays, this.#id)]);
  }

  async #balance(): Promise<void> {
    const now = performance.now();
    const due = [...this.#held.values()].filter(({ renewAt }) => now >= renewAt);
    const [registered] = await Promise.all([
      this.#client.send('EVAL', REGISTER, '1', this.#keys.relays, this.#id, String(this.#times.leaseMs)),
      this.#lookForOthers(),
      ...due.map((lease) => this.#renew(lease)),
    ]);
    const [relays = 1, added] = Array.isArray(registered) ? registered.map(Number) : [];
    const isNew = !this.#isRegistered;
    this.#isRegistered = true;
    if (added === 1 && !isNew) this.#waitRounds = ROUNDS_TO_RENEW;
    const { balanceMs } = this.#times;
    this.#nextRoundMs = relays === this.#relays ? Math.min(balanceMs, 2 * this.#nextRoundMs) : balanceMs * FIRST_ROUND;
    this.#relays = relays;
    if (this.#waitRounds > 0) {
      this.#nextRoundMs = balanceMs;
      return this.#renewAll();
    }
    const used = [...Array(this.#partitions).keys(), ...this.#others];
    const share = Math.ceil(used.length / Math.max(1, relays));
    await this.#giveUp(share);
    for (const partition of used) {
      if (this.#kept.length >= share || this.#released) break;
      if (!this.#held.has(partition)) await this.#take(partition);
    }
    if (this.#kept.length >= share) this.#nextRoundMs = balanceMs;
  }

  /** After a failure, or when Redis has lost its data, all leases may have ended. Living relays renew theirs before they take others. */
  async #renewAll(): Promise<void> {
    await Promise.all([...this.#held.values()].map((lease) => this.#renew(lease)));
    this.#waitRounds -= 1;
  }

  get #kept(): readonly Lease[] {
    return [...this.#held.values()].filter(({ draining }) => !draining);
  }

  async #lookForOthers(): Promise<void> {
    const now = performance.now();
    if (now - this.#othersAt < OTHERS_INTERVALS * this.#times.renewMs) return;
    this.#othersAt = now;
    const others = Array.from({ length: MAX_PARTITIONS - this.#partitions }, (_, index) => this.#partitions + index);
    const lengths = await Promise.all(
      others.map((partition) => this.#client.send('XLEN', this.#keys.events(partition))),
    );
    this.#others = others.filter((_, index) => Number(lengths[index]) > 0);
  }

  async #take(partition: number): Promise<void> {
    const sentAt = performance.now();
    if (!(await this.#claim(partition))) return;
    const [validUntil, renewAt] = [sentAt + this.#times.leaseMs, sentAt + this.#times.renewMs];
    this.#held.set(partition, { partition, validUntil, renewAt, renewing: null, draining: false });
    this.#events.onTaken(partition);
  }

  /** Marks as many leases as this relay has too many, and gives up those that are idle. */
  async #giveUp(share: number): Promise<void> {
    const { isIdle, onDrain } = this.#events;
    const idleFirst = [...this.#held.values()].sort(
      (a, b) => Number(isIdle(b.partition)) - Number(isIdle(a.partition)),
    );
    // Also those that nobody needs: empty partitions of pods with another setting.
    let surplus = Math.max(0, this.#held.size - share);
    for (const lease of idleFirst) {
      const draining = surplus > 0 || this.#isUnused(lease);
      surplus -= 1;
      if (lease.draining !== draining) onDrain(lease.partition, draining);
      lease.draining = draining;
    }
    await this.giveUpIdle();
  }

  #isUnused({ partition }: Lease): boolean {
    return partition >= this.#partitions && !this.#others.includes(partition);
  }

  async #let({ partition }: Lease): Promise<void> {
    this.#held.delete(partition);
    this.#events.onLost(partition, false);
    await this.#client.send('EVAL', RELEASE, '1', this.#keys.owner(partition), this.#id);
  }

  #renew(lease: Lease): Promise<void> {
    return (lease.renewing ??= this.#sendRenewal(lease).finally(() => {
      lease.renewing = null;
    }));
  }

  async #sendRenewal(lease: Lease): Promise<void> {
    const sentAt = performance.now();
    if (await this.#claim(lease.partition)) {
      lease.validUntil = sentAt + this.#times.leaseMs;
      lease.renewAt = sentAt + this.#times.renewMs;
    } else if (this.#isHeld(lease)) {
      this.#held.delete(lease.partition);
      this.#events.onLost(lease.partition, isValid(lease));
    }
  }

  async #claim(partition: number): Promise<boolean> {
    const { leaseMs } = this.#times;
    const owner = this.#keys.owner(partition);
    return Number(await this.#client.send('EVAL', CLAIM, '1', owner, this.#id, String(leaseMs))) === 1;
  }

  async #renewUntilKnown(lease: Lease): Promise<void> {
    while (this.#isHeld(lease) && !isValid(lease)) {
      const renewed = this.#renew(lease).then(
        () => true,
        () => false,
      );
      if (!(await renewed)) await this.#sleepers.sleep(RETRY_MS);
    }
  }

  #isHeld(lease: Lease): boolean {
    return this.#held.get(lease.partition) === lease;
  }
}

const isValid = ({ validUntil }: Lease): boolean => performance.now() < validUntil;
