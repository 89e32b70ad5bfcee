/**
 * Hands events to relays through Redis.
 *
 * @module nestjs-posthog-capture/redis
 */
import { type Sender } from '../delivery/delivery.js';
import { PostHogConfigurationError } from '../shared/configuration-error.js';
import { type CaptureQueue, type QueueSample, type QueueSource } from '../queue/capture-queue.js';
import { didYouMean } from '../shared/did-you-mean.js';
import { findDriver, type RedisConnectionOptions, type RedisInstance } from './find-driver.js';
import { type OwnState, QueueSampler } from './queue-sampler.js';
import { RedisChecks } from './redis-checks.js';
import { RedisClient } from './redis-client.js';
import { type RedisDriver } from './redis-connections.js';
import { MAX_PARTITIONS, StreamKeys } from './stream-keys.js';
import { StreamSource } from './stream-source.js';
import { type Confirmation, StreamWriter } from './stream-writer.js';

/** Options of `redisQueue`. */
export interface RedisQueueOptions {
  /**
   * Where Redis is: the application's own ioredis `Redis` or `Cluster`, or node-redis client, which is duplicated and never used itself; a
   * `redis://` or `rediss://` URL; or options of ioredis.
   */
  readonly connection: string | RedisInstance | RedisConnectionOptions;
  /** Start of every key, after the key prefix of `connection`. Default: `posthog`. */
  readonly prefix?: string;
  /** Number of streams, 1 to 16, and of relays that work side by side. The order of events is kept within a stream. Default: 4. */
  readonly partitions?: number;
  /** Maximum memory in bytes of the project's events in Redis. Beyond it, pods keep their events. Default: 1 GiB. */
  readonly maxBytes?: number;
  /** Names the streams, so that pods need no API key. Default: a hash of PostHog's host and the key. */
  readonly project?: string;
  /** What must have the events before they count as accepted, besides the memory of Redis. Default: nothing. */
  readonly confirm?: Confirmation;
}

const DEFAULT_PREFIX = 'posthog';
const DEFAULT_PARTITIONS = 4;
const DEFAULT_MAX_BYTES = 1024 ** 3;
const MAX_REPLICAS = 10;
/** Below the limit of a command. */
const MAX_CONFIRM_MS = 4000;
const NAME = /^[\w.:-]{1,64}$/;
const FIELDS = ['connection', 'prefix', 'partitions', 'maxBytes', 'project', 'confirm'];

/**
 * Creates a queue in Redis 6.2 or later, or a compatible server: for option `queue` of pods, and for `source` of a relay. Nothing is
 * connected before the application starts, and the start does not wait for Redis.
 *
 * @throws PostHogConfigurationError if an option is invalid, or if neither ioredis nor redis is installed
 */
export function redisQueue(options: RedisQueueOptions): CaptureQueue {
  const problems = problemsOf(options);
  const driver = findDriver(options.connection);
  if ('problem' in driver) problems.unshift(`connection: ${driver.problem}`);
  else if (driver.isCluster && options.confirm !== undefined) problems.push('confirm: not available with a Cluster');
  if (problems.length > 0 || 'problem' in driver) {
    throw new PostHogConfigurationError(problems.map((problem) => `queue: ${problem}`));
  }
  return new RedisQueue(driver, options);
}

function problemsOf(options: RedisQueueOptions): string[] {
  const { prefix, partitions, maxBytes, project, confirm, ...unknown } = options;
  const problems = Object.keys(unknown)
    .filter((field) => !FIELDS.includes(field))
    .map((field) => {
      const meant = didYouMean(field, FIELDS);
      return `${JSON.stringify(field)} is not an option${meant === undefined ? '' : `: did you mean ${meant}?`}`;
    });
  if (prefix !== undefined && !(typeof prefix === 'string' && NAME.test(prefix))) {
    problems.push('prefix: expected 1 to 64 letters, digits or _.:-');
  }
  if (project !== undefined && !(typeof project === 'string' && NAME.test(project))) {
    problems.push('project: expected 1 to 64 letters, digits or _.:-');
  }
  if (partitions !== undefined && !isWhole(partitions, 1, MAX_PARTITIONS)) {
    problems.push(`partitions: expected a whole number from 1 to ${MAX_PARTITIONS}`);
  }
  if (maxBytes !== undefined && !isWhole(maxBytes, 1, Number.MAX_SAFE_INTEGER)) {
    problems.push('maxBytes: expected a whole number of bytes, 1 or more');
  }
  if (confirm !== undefined) problems.push(...problemsOfConfirm(confirm));
  return problems;
}

function problemsOfConfirm(confirm: Confirmation): string[] {
  if (typeof confirm !== 'object' || (confirm as unknown) === null) return ['confirm: expected { replicas, fsync }'];
  const { replicas, fsync, timeoutMs } = confirm;
  const problems: string[] = [];
  if (replicas !== undefined && !isWhole(replicas, 0, MAX_REPLICAS)) {
    problems.push(`confirm.replicas: expected a whole number from 0 to ${MAX_REPLICAS}`);
  }
  if (fsync !== undefined && typeof fsync !== 'boolean') problems.push('confirm.fsync: expected true or false');
  if (timeoutMs !== undefined && !isWhole(timeoutMs, 1, MAX_CONFIRM_MS)) {
    problems.push(`confirm.timeoutMs: expected milliseconds from 1 to ${MAX_CONFIRM_MS}`);
  }
  if (problems.length === 0 && (replicas ?? 0) === 0 && fsync !== true) {
    problems.push('confirm: expected replicas of 1 or more, or fsync: true');
  }
  return problems;
}

const isWhole = (value: unknown, min: number, max: number): boolean =>
  Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max;

class RedisQueue implements CaptureQueue {
  readonly project: string | undefined;
  readonly #options: RedisQueueOptions;
  readonly #client: RedisClient;
  readonly #checks: RedisChecks;
  readonly #partitions: number;
  readonly #samplers = new Map<string, QueueSampler>();
  readonly #writers = new Map<StreamWriter, string>();
  readonly #sources = new Set<StreamSource>();

  constructor(driver: RedisDriver, options: RedisQueueOptions) {
    this.project = options.project;
    this.#options = options;
    this.#partitions = options.partitions ?? DEFAULT_PARTITIONS;
    this.#client = new RedisClient(driver);
    this.#checks = new RedisChecks(this.#client);
  }

  sender(project: string): Sender {
    const writer = new StreamWriter(this.#client, this.#keysOf(project), {
      project,
      partitions: this.#partitions,
      confirm: this.#options.confirm,
      fullness: () => this.#samplerOf(project).fullness,
    });
    this.#writers.set(writer, project);
    return writer;
  }

  source(): QueueSource {
    const source = new StreamSource(this.#client, {
      keysOf: (project) => this.#keysOf(project),
      partitions: this.#partitions,
      onClosed: () => this.#sources.delete(source),
    });
    this.#sources.add(source);
    return source;
  }

  sample(project: string): Promise<QueueSample> {
    const sampler = this.#samplerOf(project);
    // After the shutdown, a sample would open the connection again.
    const isUsed = [...this.#writers.keys()].some((writer) => !writer.isReleased) || this.#sources.size > 0;
    return isUsed ? sampler.sample(this.#ownState(project)) : Promise.resolve(sampler.last);
  }

  #ownState(project: string): OwnState {
    const writeErrors = [...this.#writers].map(([writer, of]) =>
      of === project && !writer.isReleased ? writer.lastError : null,
    );
    const sources = [...this.#sources].filter((source) => source.project === project);
    return {
      partitionsHeld: sources.reduce((sum, { partitionsHeld }) => sum + partitionsHeld, 0),
      hasNewer: sources.some(({ hasNewer }) => hasNewer),
      writeError: writeErrors.find((error) => error !== null) ?? null,
    };
  }

  #samplerOf(project: string): QueueSampler {
    let sampler = this.#samplers.get(project);
    if (!sampler) {
      const options = { partitions: this.#partitions, maxBytes: this.#options.maxBytes ?? DEFAULT_MAX_BYTES };
      sampler = new QueueSampler(this.#client, this.#keysOf(project), this.#checks, options);
      this.#samplers.set(project, sampler);
    }
    return sampler;
  }

  #keysOf(project: string): StreamKeys {
    return new StreamKeys(this.#client.keyPrefix + (this.#options.prefix ?? DEFAULT_PREFIX), project);
  }
}

export { type CaptureQueue, type QueueProblem, type QueueSample } from '../queue/capture-queue.js';
export { type RedisConnectionOptions, type RedisInstance } from './find-driver.js';
export { type Confirmation } from './stream-writer.js';
