import { within } from '../timers.js';

/** Callers that give up when sending stalls. */
export class StallWaiters {
  readonly #giveUps = new Set<() => void>();

  /** Resolves when `settled` does, when sending stalls, or at the time limit. Keeps the process alive meanwhile. */
  async wait(settled: Promise<void>, timeoutMs: number): Promise<'settled' | 'stalled' | 'timeout'> {
    let giveUp = (): void => undefined;
    const stalled = new Promise<'stalled'>((resolve) => (giveUp = () => resolve('stalled')));
    this.#giveUps.add(giveUp);
    const over = Promise.race([settled.then(() => 'settled' as const), stalled]);
    const how = await within(over, timeoutMs, 'timeout' as const);
    this.#giveUps.delete(giveUp);
    return how;
  }

  giveUp(): void {
    for (const giveUp of this.#giveUps) giveUp();
  }
}
