import { type DeliveryReport } from './delivery.js';
import { type DurableBuffer } from './durability/durable-buffer.js';
import { type Statement } from './ledger.js';
import { type EventQueue } from './queue/event-queue.js';
import { type BatchScheduler } from './sending/batch-scheduler.js';
import { type ImmediateSender } from './sending/immediate-sender.js';
import { backoffMs, type BackoffOptions } from './sending/retry-policy.js';
import { type Settlement } from './settlement.js';
import { deadlineTimer, stopTimer, type Timer, within } from './timers.js';

export interface ShutdownOptions extends BackoffOptions {
  readonly shutdownTimeoutMs: number;
  /**
   * Pending events are left to other processes, which take them from the store at once: only requests in flight are awaited. Default: false.
   */
  readonly leavesStored?: boolean;
}

/** The parts of the pipeline that is shut down. */
export interface ShutdownParts {
  readonly queue: EventQueue;
  readonly scheduler: BatchScheduler;
  readonly immediate: ImmediateSender;
  readonly durable: DurableBuffer | null;
  readonly settlement: Settlement;
  /** Opens a statement of all pending events. */
  readonly openStatement: () => Statement;
  /** Sends until `settled` resolves. */
  readonly sendUntil: (settled: Promise<void>, timeoutMs: number) => Promise<'settled' | 'stalled' | 'timeout'>;
  /** Closes idle connections. */
  readonly release: () => void;
}

/** Sends the pending events of a pipeline within a time limit, and those that are captured meanwhile; then ends it. */
export class Shutdown {
  readonly #options: ShutdownOptions;
  readonly #parts: ShutdownParts;
  #isBegun = false;
  #isOver = false;
  /** By the monotonic clock. */
  #closeAt = Infinity;
  #closeTimer: Timer | null = null;

  constructor(options: ShutdownOptions, parts: ShutdownParts) {
    this.#options = options;
    this.#parts = parts;
  }

  get isBegun(): boolean {
    return this.#isBegun;
  }

  /** True if what was not sent has been dropped. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** True if no event is accepted any more. */
  get isClosed(): boolean {
    return this.#isOver || (this.#isBegun && this.#timeLeftMs <= 0);
  }

  /**
   * Gives up early if sending stalls and either the store has all events or nothing was ever delivered. Call once.
   *
   * @param callsEnded resolves when work that may still capture events has ended
   */
  async begin(callsEnded?: Promise<unknown>): Promise<DeliveryReport> {
    const { scheduler, durable, openStatement, release } = this.#parts;
    const { shutdownTimeoutMs } = this.#options;
    this.#isBegun = true;
    this.#closeAt = performance.now() + shutdownTimeoutMs;
    const statement = openStatement();
    const isOver = await this.#waitForCalls(callsEnded, shutdownTimeoutMs / 2);
    if (this.#options.leavesStored && durable) await this.#finishRequests();
    let how = shutdownTimeoutMs > 0 && !this.#isLeft ? await this.#drain(statement.settled) : 'timeout';
    if (how === 'settled' && !isOver) await this.#waitForCalls(callsEnded, this.#timeLeftMs);
    // Before it is closed, the store must remove all events whose fate is known.
    while (how === 'settled' && this.#isPending) how = await this.#drain(openStatement().settled);
    if (how === 'settled') {
      await durable?.close();
      // Events captured while the store was closing are in memory only.
      how = await this.#drain(openStatement().settled);
    }
    const error = scheduler.lastFailure?.message ?? null;
    if (how !== 'settled') await this.#end();
    else release();
    await durable?.close();
    const report = statement.report(error);
    return report.dropped.shutdown === undefined ? report : { ...report, error };
  }

  /** Hooks and jobs that finish after ours still capture: their events are sent immediately, within `shutdownTimeoutMs`. */
  eventArrived(): void {
    // If the event was dropped, nothing would end the timer.
    if (!this.#isPending) return;
    this.#parts.scheduler.sendSoon();
    // Keeps the process alive, which no other timer does.
    this.#closeTimer ??= deadlineTimer(() => {
      this.#closeTimer = null;
      if (this.#isPending) void this.#end();
    }, this.#timeLeftMs);
  }

  eventsSettled(): void {
    // The last event may have been dropped before a request left.
    if (this.#closeTimer && !this.#isPending) this.#endCloseTimer();
  }

  requestReturned(): void {
    if (!this.#isBegun || this.#isOver || this.#isPending) return;
    this.#endCloseTimer();
    this.#parts.release();
  }

  /** True if the store has all pending events, and they are left in it. */
  get #isLeft(): boolean {
    const { durable, immediate } = this.#parts;
    return this.#options.leavesStored === true && durable?.keepsAll === true && immediate.calls.size === 0;
  }

  async #finishRequests(): Promise<void> {
    await within(this.#parts.scheduler.pause(), this.#timeLeftMs, undefined);
    // Events that no store has are sent.
    if (!this.#isLeft) this.#parts.scheduler.goOn();
  }

  /** Returns false if calls are still open after `timeoutMs`. Their events are accepted and sent meanwhile. */
  async #waitForCalls(callsEnded: Promise<unknown> | undefined, timeoutMs: number): Promise<boolean> {
    if (callsEnded === undefined || timeoutMs <= 0) return true;
    const ended = callsEnded.then(
      () => true,
      () => true,
    );
    return within(ended, timeoutMs, false);
  }

  /**
   * Sends until nothing is pending. If sending stalls, it continues immediately as long as something was delivered, so that one
   * failed batch does not lose the others. Otherwise events that no store has are retried with backoff until the time is over,
   * unless nothing was ever delivered: then one attempt decides.
   */
  async #drain(settled: Promise<void>): Promise<'settled' | 'stalled' | 'timeout'> {
    const { scheduler, durable, immediate, settlement, openStatement, sendUntil } = this.#parts;
    const { ledger } = settlement;
    // A pause on request of the receiver is not a stall: whether it accepts events is still unknown.
    let before = scheduler.coolingDown ? ledger.delivered : -1;
    scheduler.skipPauses();
    let covered = settled;
    for (let failures = 0; ; before = ledger.delivered) {
      const how = await sendUntil(covered, this.#timeLeftMs);
      if (how === 'settled') {
        if (!this.#isPending) return how;
        covered = openStatement().settled;
      } else if (how === 'timeout' || this.#timeLeftMs <= 0) {
        // An attempt that fails at once is over before any timer.
        return 'timeout';
      } else if (ledger.delivered > before) {
        failures = 0;
      } else {
        const isSafe = durable?.keepsAll === true && immediate.calls.size === 0;
        // A batch may have been too large for something in between.
        if (isSafe || (ledger.delivered === 0 && !scheduler.sizer.isUndecided)) return how;
        failures += 1;
        await within(covered, Math.min(backoffMs(failures, this.#options), this.#timeLeftMs), undefined);
      }
    }
  }

  /** Aborts requests in flight and drops the events that the store does not have. */
  async #end(): Promise<void> {
    const { scheduler, immediate, durable, queue, settlement, release } = this.#parts;
    this.#isOver = true;
    this.#endCloseTimer();
    const detail = scheduler.lastFailure?.message ?? 'the time for shutdown was over';
    immediate.close();
    await scheduler.stop();
    // Then it is known which events the store has.
    await durable?.written;
    for (let left = queue.takeOldest(); left; left = queue.takeOldest()) {
      if (!durable?.keeps(left.event)) settlement.drop(left.event, left.seq, 'shutdown', detail);
    }
    release();
  }

  get #timeLeftMs(): number {
    return this.#closeAt - performance.now();
  }

  get #isPending(): boolean {
    return this.#parts.settlement.ledger.pending.events > 0;
  }

  #endCloseTimer(): void {
    stopTimer(this.#closeTimer);
    this.#closeTimer = null;
  }
}
