import { type QueuedEvent, type SendBatch } from '../delivery.js';

/** One request that is over. */
export interface AnsweredRequest {
  /** How many events it carried. */
  readonly events: number;
  /** The receiver's code, or a word for why there is none. Opaque. */
  readonly code: number | string;
  readonly durationMs: number;
  /** 1, 2, 3 … per batch id. */
  readonly attempt: number;
}

/** Who is told of each request. Must not throw. */
export interface RequestObserver {
  /** A request leaves with these. */
  sending(events: readonly QueuedEvent[], attempt: number): void;
  answered(request: AnsweredRequest): void;
}

/** The requests that are over, whatever came of them. */
export interface RequestStats {
  readonly total: number;
  /** By the status of the answer, such as `200`; those without one as `timeout`, `network` and `aborted`. */
  readonly byStatus: Readonly<Record<string, number>>;
  /** Half of the last 1000 took at most so many milliseconds, answer included; null before the first. */
  readonly p50Ms: number | null;
  /** 90 of 100. */
  readonly p90Ms: number | null;
  /** 99 of 100. */
  readonly p99Ms: number | null;
}

export const NO_REQUESTS: RequestStats = Object.freeze({
  total: 0,
  byStatus: Object.freeze({}),
  p50Ms: null,
  p90Ms: null,
  p99Ms: null,
});

/** How many durations are kept. */
const RECENT = 1000;

/** Counts requests, and knows how long the last ones took. */
export class RequestStatsCollector {
  readonly #counts: Record<string, number> = {};
  readonly #recentMs: number[] = [];
  /** The recent durations in order of size; null when there are newer ones. */
  #sorted: readonly number[] | null = null;
  #total = 0;

  get stats(): RequestStats {
    return {
      total: this.#total,
      byStatus: { ...this.#counts },
      p50Ms: this.#percentile(0.5),
      p90Ms: this.#percentile(0.9),
      p99Ms: this.#percentile(0.99),
    };
  }

  /** Like `send`, but each request is counted, and told. */
  observed(send: SendBatch, observer: RequestObserver): SendBatch {
    return async (batch, attempt) => {
      observer.sending(batch.events, attempt.number);
      const startedAt = performance.now();
      const outcome = await send(batch, attempt);
      const request: AnsweredRequest = {
        events: batch.events.length,
        code: outcome.code ?? outcome.kind,
        durationMs: performance.now() - startedAt,
        attempt: attempt.number,
      };
      this.#add(request);
      observer.answered(request);
      return outcome;
    };
  }

  #add({ code, durationMs }: AnsweredRequest): void {
    this.#counts[code] = (this.#counts[code] ?? 0) + 1;
    this.#recentMs[this.#total % RECENT] = durationMs;
    this.#sorted = null;
    this.#total += 1;
  }

  /** To a tenth of a millisecond. */
  #percentile(share: number): number | null {
    this.#sorted ??= [...this.#recentMs].sort((a, b) => a - b);
    const durationMs = this.#sorted[Math.ceil(share * this.#sorted.length) - 1];
    return durationMs === undefined ? null : Math.round(durationMs * 10) / 10;
  }
}
