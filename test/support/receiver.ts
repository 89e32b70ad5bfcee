import { type QueuedEvent } from 'nestjs-posthog-capture';
import { type BatchOutcome, type SendBatch } from '../../lib/delivery/delivery.js';
import { type Seeded } from './seeded.js';

const wait = (ms: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, ms));

/** What a Receiver checks, besides the batches themselves. */
export interface ReceiverRules {
  /**
   * Numbers must rise within a lane. `always`: an event that arrives again must not be older than one before. `first`: only the first
   * arrival of each counts, as the others are merged.
   */
  readonly order: 'always' | 'first';
  /** Events of one order key must not be in two requests at once. */
  readonly oneRequestPerKey: boolean;
  /** Events with an order of their own. Default: those of one order key. */
  readonly laneOf?: (event: QueuedEvent) => string;
}

/** A receiver that fails at random and checks the batches. Ids are numbers in the order of capture; an event named `now` has no order. */
export class Receiver {
  readonly flaws: string[] = [];
  /** By id, how often an event was accepted. */
  readonly accepted = new Map<string, number>();
  /** Share of requests that fail, from 0 to 1. */
  failures = 1 / 3;
  readonly #random: Seeded;
  readonly #inFlight = new Map<string, object>();
  readonly #last = new Map<string, number>();

  readonly #rules: ReceiverRules;

  constructor(random: Seeded, rules: ReceiverRules = { order: 'always', oneRequestPerKey: true }) {
    this.#random = random;
    this.#rules = rules;
  }

  readonly send: SendBatch = async (batch, { signal }) => {
    const ids = batch.events.map(({ id }) => id);
    if (ids.length === 0) this.flaws.push('an empty batch');
    if (new Set(ids).size < ids.length) this.flaws.push('a batch holds one id twice');
    const isImmediate = batch.events.some(({ name }) => name === 'now');
    const isChecked = this.#rules.oneRequestPerKey && !isImmediate;
    const keys = new Set(!isChecked ? [] : batch.events.map(({ orderKey }) => orderKey));
    for (const key of keys) {
      if (this.#inFlight.has(key)) this.flaws.push(`${key} is in flight twice`);
      this.#inFlight.set(key, batch);
    }
    let onAbort = (): void => undefined;
    const abort = new Promise<void>((resolve) => (onAbort = resolve));
    signal.addEventListener('abort', onAbort, { once: true });
    await Promise.race([wait(this.#random.below(2000)), abort]);
    signal.removeEventListener('abort', onAbort);
    for (const key of keys) this.#inFlight.delete(key);
    if (signal.aborted) return { kind: 'retryable', failure: FAILURE };
    const outcome = this.#outcome(batch.events);
    if (outcome.kind === 'settled') {
      const accepted = batch.events.filter(({ id }) => !outcome.retry.includes(id));
      if (!isImmediate) this.#checkOrder(accepted);
      for (const { id } of accepted) this.accepted.set(id, (this.accepted.get(id) ?? 0) + 1);
    }
    return outcome;
  };

  #outcome(events: readonly QueuedEvent[]): BatchOutcome {
    const random = this.#random;
    if (!random.chance(this.failures)) return { kind: 'settled', rejected: [], retry: [] };
    const retryAfterMs = random.pick([undefined, undefined, 0, 500, 20_000, 86_400_000]);
    switch (random.below(6)) {
      case 0:
        return { kind: 'refused', failure: FAILURE };
      case 1:
        // Because of its size, not of an event.
        if (events.length > 3) return { kind: 'tooLarge', failure: FAILURE };
        break;
      case 2:
        if (events.some(({ name }) => name === 'poison')) return { kind: 'rejected', failure: FAILURE };
        break;
      case 3:
        // Only the newest of each key, so that no event is overtaken.
        return { kind: 'settled', rejected: [], retry: newestOfEachKey(events), retryAfterMs };
    }
    return { kind: 'retryable', failure: FAILURE, retryAfterMs };
  }

  #checkOrder(events: readonly QueuedEvent[]): void {
    const { order, laneOf = ({ orderKey }: QueuedEvent) => orderKey } = this.#rules;
    for (const event of events) {
      if (order === 'first' && this.accepted.has(event.id)) continue;
      const lane = laneOf(event);
      const seq = Number(event.id);
      const before = this.#last.get(lane) ?? -1;
      if (seq < before) this.flaws.push(`${lane}: ${seq} after ${before}`);
      this.#last.set(lane, seq);
    }
  }
}

const FAILURE = { message: 'no', remedy: 'none' };

function newestOfEachKey(events: readonly QueuedEvent[]): string[] {
  return [...new Map(events.map(({ id, orderKey }) => [orderKey, id])).values()];
}
