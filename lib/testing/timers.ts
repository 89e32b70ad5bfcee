/** A group of timers that can be cancelled together. */
export class Timers {
  readonly #running = new Map<ReturnType<typeof setTimeout>, () => void>();
  #closed = false;

  /** Calls `action` after `ms`. Returns a function that cancels it. */
  after(ms: number, action: () => void): () => void {
    return this.#start(ms, action, () => undefined);
  }

  /** Resolves with true after `ms`, or with false as soon as the timers are closed. */
  sleep(ms: number): Promise<boolean> {
    return new Promise((resolve) => {
      this.#start(
        ms,
        () => resolve(true),
        () => resolve(false),
      );
    });
  }

  /** Cancels all timers. No timer can be started afterwards. */
  close(): void {
    this.#closed = true;
    for (const [timer, cancelled] of this.#running) {
      clearTimeout(timer);
      cancelled();
    }
    this.#running.clear();
  }

  #start(ms: number, action: () => void, cancelled: () => void): () => void {
    if (this.#closed) {
      cancelled();
      return () => undefined;
    }
    const timer = setTimeout(() => {
      this.#running.delete(timer);
      action();
    }, ms);
    this.#running.set(timer, cancelled);
    return () => {
      clearTimeout(timer);
      this.#running.delete(timer);
    };
  }
}
