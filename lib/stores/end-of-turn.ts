import { deadlineTimer, stopTimer, type Timer } from '../delivery/timers.js';

interface Turn {
  readonly done: Promise<void>;
  readonly immediate: NodeJS.Immediate;
  readonly timer: Timer;
  /** Does the work and settles `done`. Returns false if the work threw. */
  settle(): boolean;
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

  /** Does the work immediately if it is pending. Returns false if it threw, which rejects the promise of `end`. */
  endNow(): boolean {
    const turn = this.#turn;
    if (!turn) return true;
    this.#turn = null;
    clearImmediate(turn.immediate);
    stopTimer(turn.timer);
    return turn.settle();
  }

  #start(): Turn {
    let settle = (): boolean => true;
    const done = new Promise<void>((resolve) => {
      settle = () => {
        let isDone = false;
        const worked = new Promise<void>((resolveWork) => {
          this.#work();
          isDone = true;
          resolveWork();
        });
        resolve(worked);
        return isDone;
      };
    });
    const end = (): void => void this.endNow();
    // Whichever comes first: from within an immediate, the next immediates are a turn away, but its timers are not.
    return { done, settle, immediate: setImmediate(end), timer: deadlineTimer(end, 0) };
  }
}
