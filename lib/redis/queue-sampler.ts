import { type SendFailure } from '../delivery/delivery.js';
import { type QueueProblem, type QueueSample, UNREACHABLE } from '../queue/capture-queue.js';
import { type RedisChecks } from './redis-checks.js';
import { type RedisClient } from './redis-client.js';
import { describeRedisError, type RedisError } from './redis-errors.js';
import { MAX_PARTITIONS, type StreamKeys } from './stream-keys.js';

/**
 * Length of a stream; entries and events at its start, for the mean; age of the first entry by the clock of Redis; memory, or -1 where
 * MEMORY USAGE is missing or forbidden.
 */
const MEASURE =
  "local n=redis.call('xlen',KEYS[1]) if n==0 then return {0,0,0,0,0} end " +
  "local first=redis.call('xrange',KEYS[1],'-','+','COUNT',8) local sum=0 for _,e in ipairs(first) do for i=1,#e[2],2 do " +
  "if e[2][i]=='n' then sum=sum+(tonumber(e[2][i+1]) or 0) end end end " +
  "local t=redis.call('time') local ms=tonumber(string.match(first[1][1],'^%d+')) local age=t[1]*1000+math.floor(t[2]/1000)-ms " +
  "local m=redis.pcall('memory','usage',KEYS[1]) if type(m)~='number' then m=-1 end return {n,#first,sum,age,m}";

/** Living relays. Those whose time is over are removed, because no relay may be left to do it. */
const COUNT_RELAYS =
  "local t=redis.call('time') redis.call('zremrangebyscore',KEYS[1],'-inf',t[1]*1000+math.floor(t[2]/1000)) return redis.call('zcard',KEYS[1])";

/** Between two looks at all partitions, of which pods with another setting may use more. */
const ALL_MS = 60_000;

/** The state that only this process knows. */
export interface OwnState {
  readonly partitionsHeld: number;
  /** There are events of a newer version. */
  readonly hasNewer: boolean;
  /** Why the last batch was not written; null if it was. */
  readonly writeError: RedisError | null;
}

export interface SamplerOptions {
  readonly partitions: number;
  readonly maxBytes: number;
}

/** Measures the queue of one project. */
export class QueueSampler {
  readonly #client: RedisClient;
  readonly #keys: StreamKeys;
  readonly #checks: RedisChecks;
  readonly #options: SamplerOptions;
  /** Partitions beyond those of the options that have events. */
  #others: readonly number[] = [];
  #othersAt = -Infinity;
  #isFull = false;
  #last = UNREACHABLE;

  constructor(client: RedisClient, keys: StreamKeys, checks: RedisChecks, options: SamplerOptions) {
    this.#client = client;
    this.#keys = keys;
    this.#checks = checks;
    this.#options = options;
  }

  /** Why pods may not write, as of the last sample. */
  get fullness(): SendFailure | null {
    return this.#isFull ? { ...FULL, anySize: true } : null;
  }

  get last(): QueueSample {
    return this.#last;
  }

  /** Never rejects. */
  async sample(own: OwnState): Promise<QueueSample> {
    try {
      this.#last = await this.#measure(own);
    } catch (error) {
      const problems = [problemOf(describeRedisError(error))];
      this.#last = { ...UNREACHABLE, partitionsHeld: own.partitionsHeld, problems };
    }
    return this.#last;
  }

  #partitions(): readonly number[] {
    const now = performance.now();
    return now - this.#othersAt < ALL_MS
      ? [...Array(this.#options.partitions).keys(), ...this.#others]
      : [...Array(MAX_PARTITIONS).keys()];
  }

  async #measure({ partitionsHeld, hasNewer, writeError }: OwnState): Promise<QueueSample> {
    const partitions = this.#partitions();
    const [relays, checked, ...replies] = await Promise.all([
      this.#client.send('EVAL', COUNT_RELAYS, '1', this.#keys.relays),
      this.#checks.problems(),
      ...partitions.map((partition) => this.#client.send('EVAL', MEASURE, '1', this.#keys.events(partition))),
    ]);
    if (partitions.length === MAX_PARTITIONS) this.#othersAt = performance.now();
    this.#others = partitions.filter(
      (partition, at) => partition >= this.#options.partitions && lengthOf(replies[at]) > 0,
    );
    const { events, bytes, oldestMs } = sumOf(replies);
    this.#isFull = bytes !== null && bytes >= this.#options.maxBytes;
    const problems = [...checked];
    if (hasNewer) problems.push(NEWER);
    if (this.#isFull) problems.push({ severity: 'degraded', ...FULL });
    if (writeError) problems.push(problemOf(writeError));
    problems.sort((a, b) => SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity));
    const isFull = this.#isFull || writeError?.word === 'OOM';
    const state = isFull ? 'full' : writeError ? 'down' : 'ok';
    return { state, events, bytes, oldestMs, relays: Number(relays), partitionsHeld, problems };
  }
}

const lengthOf = (reply: unknown): number => (Array.isArray(reply) ? Number(reply[0]) : 0);

const SEVERITIES = ['down', 'degraded', 'note'];

const FULL = {
  message: 'The queue in Redis has reached its maximum size',
  remedy: 'find out why the relays do not keep up, or raise maxBytes of redisQueue',
};

const NEWER: QueueProblem = {
  severity: 'degraded',
  message: 'The queue contains events of a newer version of nestjs-posthog-capture',
  remedy: 'update the relays, which must be updated before the pods',
};

const problemOf = ({ kind, message, remedy }: RedisError): QueueProblem => ({
  severity: kind === 'refused' ? 'down' : 'degraded',
  message,
  remedy,
});

function sumOf(replies: readonly unknown[]): Pick<QueueSample, 'events' | 'bytes' | 'oldestMs'> {
  let events = 0;
  let bytes: number | null = 0;
  let oldestMs = 0;
  for (const reply of replies) {
    const [length = 0, entries = 0, sum = 0, ageMs = 0, memory = 0] = Array.isArray(reply) ? reply.map(Number) : [];
    // The mean of the oldest entries.
    if (length > 0) events += length <= entries ? sum : Math.round((length * sum) / Math.max(1, entries));
    oldestMs = Math.max(oldestMs, ageMs);
    bytes = memory < 0 || bytes === null ? null : bytes + memory;
  }
  return { events, bytes, oldestMs };
}
