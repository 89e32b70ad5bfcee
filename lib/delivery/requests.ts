import { type QueuedEvent, type SendBatch } from './delivery.js';

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

/** Watches each request of `send`. */
export function observed(send: SendBatch, observer: RequestObserver): SendBatch {
  return async (batch, attempt) => {
    const { number } = attempt;
    observer.sending(batch.events, number);
    const startedAt = performance.now();
    const outcome = await send(batch, attempt);
    const durationMs = performance.now() - startedAt;
    observer.answered({ events: batch.events.length, code: outcome.code ?? outcome.kind, durationMs, attempt: number });
    return outcome;
  };
}
