import { backgroundTimer, isRunning, stopTimer, type Timer } from '../timers.js';

/** When queued events are sent, in milliseconds. */
export interface SendTimes {
  /** Maximum time that events wait for a batch to be worth sending. */
  readonly flushIntervalMs: number;
}

export interface SendTimersCallbacks {
  /** `flushIntervalMs` is over: everything is due. */
  onFlush(): void;
  /** @param isFull true if a full batch, or everything, was to be sent; false if a batch had time to fill */
  onSend(isFull: boolean): void;
}

/** Time that a batch waits for more events, so that a burst takes fewer requests. */
const LINGER_MS = 5;

/** The timers of a BatchScheduler. They do not keep the process alive. */
export class SendTimers {
  readonly #times: SendTimes;
  readonly #callbacks: SendTimersCallbacks;
  #flush: Timer | null = null;
  #send: Timer | null = null;
  /** True if `#send` waits for a batch to fill. */
  #lingers = false;

  constructor(times: SendTimes, callbacks: SendTimersCallbacks) {
    this.#times = times;
    this.#callbacks = callbacks;
  }

  startFlush(): void {
    if (isRunning(this.#flush)) return;
    stopTimer(this.#flush);
    this.#flush = backgroundTimer(() => {
      this.#flush = null;
      this.#callbacks.onFlush();
    }, this.#times.flushIntervalMs);
  }

  stopFlush(): void {
    stopTimer(this.#flush);
    this.#flush = null;
  }

  /** True if `startSend` would change nothing. */
  sends(isFull: boolean): boolean {
    return isRunning(this.#send) && !(isFull && this.#lingers);
  }

  /** Sends after the current turn: callers of `capture` must not wait for a batch to be built, and a burst fills batches. */
  startSend(isFull: boolean): void {
    stopTimer(this.#send);
    this.#lingers = !isFull;
    this.#send = backgroundTimer(() => this.#callbacks.onSend(isFull), isFull ? 0 : LINGER_MS);
  }

  stopSend(): void {
    stopTimer(this.#send);
    this.#send = null;
  }
}
