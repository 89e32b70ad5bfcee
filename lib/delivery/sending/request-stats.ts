import { type DeliveryObserver, type RequestStats, type SendBatch } from '../delivery.js';

/** Number of durations that percentiles are computed from. */
const RECENT = 1000;

/** Counts requests and measures their durations. */
export class RequestStatsCollector {
  /** Number of requests that were retries. */
  retries = 0;
  readonly #counts: Record<string, number> = {};
  readonly #recentMs: number[] = [];
  /** `#recentMs` sorted; null when outdated. */
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

  /** Wraps `send`: counts each request and notifies the observer. */
  observed(send: SendBatch, observer: DeliveryObserver): SendBatch {
    return async (batch, attempt) => {
      if (attempt.number > 1) this.retries += 1;
      observer.sending(batch.events, attempt.number);
      const startedAt = performance.now();
      const outcome = await send(batch, attempt);
      const isSettled = outcome.kind === 'settled';
      const code = outcome.code ?? (isSettled ? 'ok' : outcome.kind);
      const durationMs = performance.now() - startedAt;
      this.#add(code, durationMs);
      observer.answered({
        events: batch.events.length,
        status: typeof code === 'number' ? code : null,
        failure: typeof code === 'string' && !isSettled ? code : null,
        durationMs,
        attempt: attempt.number,
      });
      return outcome;
    };
  }

  #add(code: number | string, durationMs: number): void {
    this.#counts[code] = (this.#counts[code] ?? 0) + 1;
    this.#recentMs[this.#total % RECENT] = durationMs;
    this.#sorted = null;
    this.#total += 1;
  }

  /** Rounded to a tenth of a millisecond. */
  #percentile(share: number): number | null {
    this.#sorted ??= [...this.#recentMs].sort((a, b) => a - b);
    const durationMs = this.#sorted[Math.ceil(share * this.#sorted.length) - 1];
    return durationMs === undefined ? null : Math.round(durationMs * 10) / 10;
  }
}
