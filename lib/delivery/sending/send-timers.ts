import { atEndOfTurn, backgroundTimer, isRunning, stopTimer, type Timer } from '../timers.js';

/** When queued events are sent, in milliseconds. */
export interface SendTimes {
  /** Maximum time that events wait for a batch to be worth sending. */
  readonly flushIntervalMs: number;
  /**
   * Time that a batch worth sending waits for more events, so that a burst takes fewer requests. 0: it leaves at the end of the turn of
   * the event loop. Default: 5.
   */
  readonly lingerMs?: number;
}

export interface SendTimersCallbacks {
  /** `flushIntervalMs` is over: everything is due. */
  onFlush(): void;
  /** @param isFull true if a full batch, or everything, was to be sent; false if a batch had time to fill */
  onSend(isFull: boolean): void;
}

const LINGER_MS = 5;

/** The timers of a BatchScheduler. They do not keep the process alive. */
export class SendTimers {
  readonly #times: SendTimes;
  readonly #lingerMs: number;
  readonly #callbacks: SendTimersCallbacks;
  #flush: Timer | null = null;
  /** By the wall clock. */
  #flushAt = Infinity;
  #send: Timer | null = null;
  #cancelEndOfTurn: (() => void) | null = null;
  /** True if `#send` waits for a batch to fill. */
  #lingers = false;

  constructor(times: SendTimes, callbacks: SendTimersCallbacks) {
    this.#times = times;
    this.#lingerMs = times.lingerMs ?? LINGER_MS;
    this.#callbacks = callbacks;
  }

  startFlush(): void {
    if (isRunning(this.#flush)) return;
    stopTimer(this.#flush);
    this.#flushAt = Date.now() + this.#times.flushIntervalMs;
    this.#flush = backgroundTimer(() => {
      this.stopFlush();
      this.#callbacks.onFlush();
    }, this.#times.flushIntervalMs);
  }

  /** True if `flushIntervalMs` is over by the wall clock, but not by that of the timer. */
  isOverdue(now: number): boolean {
    return now >= this.#flushAt;
  }

  stopFlush(): void {
    stopTimer(this.#flush);
    this.#flush = null;
    this.#flushAt = Infinity;
  }

  /** True if `startSend` would change nothing. */
  sends(isFull: boolean): boolean {
    return this.#cancelEndOfTurn !== null || (isRunning(this.#send) && !(isFull && this.#lingers));
  }

  /** Sends after the current turn: callers of `capture` must not wait for a batch to be built, and a burst fills batches. */
  startSend(isFull: boolean): void {
    this.stopSend();
    this.#lingers = !isFull;
    const send = (): void => this.#callbacks.onSend(isFull);
    if (this.#lingerMs === 0) this.#cancelEndOfTurn = atEndOfTurn(send);
    else this.#send = backgroundTimer(send, isFull ? 0 : this.#lingerMs);
  }

  stopSend(): void {
    stopTimer(this.#send);
    this.#send = null;
    this.#cancelEndOfTurn?.();
    this.#cancelEndOfTurn = null;
  }
}
