/** The timers of one server, so that closing it leaves none behind. */
export class Timers {
  readonly #running = new Map<ReturnType<typeof setTimeout>, () => void>();
  #closed = false;

  /** Calls `action` after so many milliseconds, unless it is cancelled before. Returns what cancels it. */
  after(ms: number, action: () => void): () => void {
    return this.#start(ms, action, () => undefined);
  }

  /** Waits. Resolves to false, at once, when the timers are closed meanwhile or were before. */
  sleep(ms: number): Promise<boolean> {
    return new Promise((resolve) => {
      this.#start(
        ms,
        () => resolve(true),
        () => resolve(false),
      );
    });
  }

  /** Cancels them all, and starts none any more. */
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
