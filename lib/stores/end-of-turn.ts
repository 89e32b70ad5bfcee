import { deadlineTimer, stopTimer, type Timer } from '../delivery/timers.js';

interface Turn {
  readonly done: Promise<void>;
  readonly immediate: NodeJS.Immediate;
  readonly timer: Timer;
  /** Does the work and settles `done`. */
  settle(): void;
}

/** Does work once at the end of the current turn of the event loop, for all callers of that turn. */
export class EndOfTurn {
  readonly #work: () => void;
  #turn: Turn | null = null;

  /** @param work synchronous; may throw */
  constructor(work: () => void) {
    this.#work = work;
  }

  /**
   * Returns a promise that settles when the work is done.
   *
   * @param now does it immediately
   */
  end(now: boolean): Promise<void> {
    this.#turn ??= this.#start();
    const { done } = this.#turn;
    if (now) this.endNow();
    return done;
  }

  /** Does the work immediately if it is pending. */
  endNow(): void {
    const turn = this.#turn;
    if (!turn) return;
    this.#turn = null;
    clearImmediate(turn.immediate);
    stopTimer(turn.timer);
    turn.settle();
  }

  #start(): Turn {
    let settle = (): void => undefined;
    const done = new Promise<void>((resolve) => {
      settle = () => {
        const worked = new Promise<void>((resolveWork) => {
          this.#work();
          resolveWork();
        });
        resolve(worked);
      };
    });
    const end = (): void => this.endNow();
    // Whichever comes first: from within an immediate, the next immediates are a turn away, but its timers are not.
    return { done, settle, immediate: setImmediate(end), timer: deadlineTimer(end, 0) };
  }
}
