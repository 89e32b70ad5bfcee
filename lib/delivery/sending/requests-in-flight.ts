import { SmallSet } from '../queue/collections.js';
import { backgroundTimer } from '../timers.js';
import { type GivenUp } from './batch-sizer.js';

/** Time for responses that arrived while the process was suspended. */
const RESUME_MS = 250;

/** The result of a request that was aborted after the process had been suspended. Says nothing about the receiver. */
export const INTERRUPTED: GivenUp = {
  failure: {
    message: 'the process was suspended during the request',
    remedy: 'none is needed: the events are sent again',
  },
  about: 'another',
};

interface Request {
  /** Not shared: a shared signal accumulates listeners like the Set that `SmallSet` replaces. */
  readonly abort: AbortController;
  readonly over: Promise<void>;
}

export class RequestsInFlight {
  readonly #requests = new SmallSet<Request>();
  /** Of finished requests, to be used again: a signal is expensive to create. */
  readonly #aborts: AbortController[] = [];

  get size(): number {
    return this.#requests.size;
  }

  /** Resolves when all of them are over. */
  async over(): Promise<void> {
    await Promise.all([...this.#requests].map(({ over }) => over));
  }

  /**
   * @param run must not reject. Resolves with the reason if it gives up
   * @param finish called with it, while the request still counts
   * @param onOver called next
   */
  start(
    run: (signal: AbortSignal) => Promise<GivenUp | null>,
    finish: (givenUp: GivenUp | null) => void,
    onOver: () => void,
  ): void {
    const abort = this.#aborts.pop() ?? new AbortController();
    const over = run(abort.signal).then((givenUp) => {
      const { aborted } = abort.signal;
      finish(aborted ? INTERRUPTED : givenUp);
      this.#requests.delete(request);
      if (!aborted) this.#aborts.push(abort);
      onOver();
    });
    const request: Request = { abort, over };
    this.#requests.add(request);
  }

  abort(): void {
    for (const { abort } of this.#requests) abort.abort();
  }

  /** The process may have been suspended: aborts those that are not over soon. */
  abortSuspended(): void {
    const left = [...this.#requests];
    if (left.length === 0) return;
    backgroundTimer(() => {
      for (const request of this.#requests) if (left.includes(request)) request.abort.abort();
    }, RESUME_MS);
  }
}
