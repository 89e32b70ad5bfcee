import {
  type Batch,
  type BatchOutcome,
  type QueuedEvent,
  type SendBatch,
  type Sender,
  type SenderMessages,
  type SendFailure,
} from '../delivery/delivery.js';
import { type RedisClient } from './redis-client.js';
import { describeRedisError, type RedisError, timedOut, unconfirmed } from './redis-errors.js';
import { blocksOf, EntryWriter } from './stream-block.js';
import { partitionOf, type StreamKeys } from './stream-keys.js';

/** What must have the events before they count as accepted, besides the memory of Redis. */
export interface Confirmation {
  /** Number of replicas. Default: 0. */
  readonly replicas?: number;
  /** The append-only file on the disk of the primary. Needs Redis 7.2. Default: false. */
  readonly fsync?: boolean;
  /** How long to wait, in milliseconds. Default: 1000, and 3000 with `fsync`, because `appendfsync everysec` takes a second. */
  readonly timeoutMs?: number;
}

export interface StreamWriterOptions {
  readonly project: string;
  readonly partitions: number;
  readonly confirm?: Confirmation | undefined;
  /** Why nothing may be written now, if the limit of the queue is reached. */
  readonly fullness: () => SendFailure | null;
}

const REPLICAS_CONFIRM_MS = 1000;
const FSYNC_CONFIRM_MS = 3000;

/** Events of one partition that were not written, and why. */
interface Unwritten {
  readonly events: readonly QueuedEvent[];
  readonly error: RedisError;
}

/** Writes batches into the streams of a project. */
export class StreamWriter implements Sender {
  readonly messages = MESSAGES;
  readonly #client: RedisClient;
  readonly #keys: StreamKeys;
  readonly #options: StreamWriterOptions;
  readonly #entries: EntryWriter;
  /** Events that may be in Redis although their write failed. */
  readonly #uncertain = new WeakSet<QueuedEvent>();
  #lastError: RedisError | null = null;
  #isReleased = false;

  constructor(client: RedisClient, keys: StreamKeys, options: StreamWriterOptions) {
    this.#client = client;
    this.#keys = keys;
    this.#options = options;
    this.#entries = new EntryWriter(options.project);
  }

  /** Why events of the last batch were not written; null if all were. */
  get lastError(): RedisError | null {
    return this.#lastError;
  }

  get isReleased(): boolean {
    return this.#isReleased;
  }

  readonly send: SendBatch = (batch, { signal }) => {
    if (signal.aborted) return Promise.resolve(ABORTED);
    return new Promise((resolve) => {
      const abort = (): void => resolve(ABORTED);
      signal.addEventListener('abort', abort, { once: true });
      void this.#write(batch).then((outcome) => {
        signal.removeEventListener('abort', abort);
        resolve(outcome);
      });
    });
  };

  release(): void {
    this.#isReleased = true;
    this.#client.leave(this);
  }

  async #write({ events }: Batch): Promise<BatchOutcome> {
    const full = this.#options.fullness();
    if (full) return { kind: 'retryable', failure: full, code: 'FULL' };
    this.#isReleased = false;
    this.#client.enter(this);
    const { epoch } = this.#client;
    const parts = this.#partsOf(events);
    const appended = await Promise.all([...parts].map(([partition, part]) => this.#append(partition, part)));
    const unwritten = appended.filter((part) => part !== null);
    const retry = unwritten.flatMap((part) => part.events.map(({ id }) => id));
    const error = unwritten[0]?.error;
    this.#lastError = error ?? null;
    if (error && retry.length === events.length) return outcomeOf(error);
    const unsure = await this.#confirm(epoch);
    if (unsure) {
      this.#lastError = unsure;
      for (const event of events) this.#uncertain.add(event);
      return outcomeOf(unsure);
    }
    // The others are in Redis: to write the whole batch again would duplicate them.
    return { kind: 'settled', rejected: [], retry, failure: error?.failure, code: error?.word ?? 'OK' };
  }

  #partsOf(events: readonly QueuedEvent[]): Map<number, QueuedEvent[]> {
    const parts = new Map<number, QueuedEvent[]>();
    for (const event of events) {
      const partition = partitionOf(event.orderKey, this.#options.partitions);
      const part = parts.get(partition);
      if (part) part.push(event);
      else parts.set(partition, [event]);
    }
    return parts;
  }

  /**
   * One block after the other: if one fails, later events of its keys must not be written before it. Batches need no such order, as
   * they never have a key in common.
   */
  async #append(partition: number, events: readonly QueuedEvent[]): Promise<Unwritten | null> {
    let written = 0;
    try {
      for (const block of blocksOf(events)) {
        const fields = this.#entries.write(block, this.#haveOwnIds(block));
        await this.#client.send(
          'XADD',
          this.#keys.events(partition),
          '*',
          ...(Array.isArray(fields) ? fields : await fields),
        );
        written += block.length;
      }
      return null;
    } catch (error) {
      const unwritten = events.slice(written);
      for (const event of unwritten) this.#uncertain.add(event);
      return { events: unwritten, error: describeRedisError(error) };
    }
  }

  #haveOwnIds(events: readonly QueuedEvent[]): boolean {
    return events.every((event) => event.hasOwnId === true && !this.#uncertain.has(event));
  }

  /** Covers everything that was written over one connection, but nothing that was written over an earlier one. */
  async #confirm(epoch: number): Promise<RedisError | null> {
    const { confirm } = this.#options;
    if (!confirm) return null;
    const { replicas = 0, fsync = false } = confirm;
    const { timeoutMs = fsync ? FSYNC_CONFIRM_MS : REPLICAS_CONFIRM_MS } = confirm;
    const limits = [String(replicas), String(timeoutMs)];
    try {
      const reply = fsync
        ? await this.#client.send('WAITAOF', '1', ...limits)
        : [1, await this.#client.send('WAIT', ...limits)];
      const [local, copies] = reply as readonly [unknown, unknown];
      return epoch === this.#client.epoch && Number(local) >= 1 && Number(copies) >= replicas ? null : unconfirmed();
    } catch (error) {
      return describeRedisError(error);
    }
  }
}

const outcomeOf = (error: RedisError): BatchOutcome => ({
  kind: error.kind,
  failure: error.failure,
  code: error.word,
});

const NOTHING_TO_DO = 'nothing to do unless it lasts';

const MESSAGES: SenderMessages = {
  aborted: 'Writing to Redis was aborted',
  timedOut: (timeoutMs) => timedOut(timeoutMs).message,
  askedAgain: { message: 'Redis did not accept all events', remedy: NOTHING_TO_DO },
  refusesEveryEvent: 'Redis refuses every event: check its log; the events are kept',
  limited: (bytes) => ({ message: `Redis accepts only batches up to ${bytes} bytes`, remedy: NOTHING_TO_DO }),
};

const ABORTED: BatchOutcome = {
  kind: 'retryable',
  failure: { message: MESSAGES.aborted, remedy: NOTHING_TO_DO },
  code: 'aborted',
};
