import {
  type Delivery,
  type DeliveryReport,
  type DeliveryStats,
  type ImmediateCall,
  type ImmediateOutcome,
  type QueuedEvent,
} from '../delivery.js';
import { type DeliveryPipeline } from '../delivery-pipeline.js';
import { type HandsOver } from '../hand-over.js';
import { mergeRemainders, mergeReports, mergeStats } from './merged.js';

/** A pipeline for some of the events, which is created when the first of them arrives. */
export interface SecondLane {
  /** True for its events. */
  readonly takes: (event: QueuedEvent) => boolean;
  /**
   * Called once.
   *
   * @param shutdownTimeoutMs the time that is left, if the shutdown has begun
   * @param isLate true if the shutdown has begun: stores may be closed
   */
  readonly open: (shutdownTimeoutMs: number, isLate: boolean) => DeliveryPipeline;
}

/**
 * Two pipelines that are used as one: with common counts, one flush and one shutdown, but with queues, requests, retries and cool-downs of
 * their own. So events of one do not wait for the other's receiver.
 */
export class LanedDelivery implements Delivery {
  readonly handOver: HandsOver = {
    begin: (useStore) => mergeRemainders(this.#lanes.map(({ handOver }) => handOver.begin(useStore))),
  };
  readonly #first: DeliveryPipeline;
  readonly #second: SecondLane;
  readonly #shutdownTimeoutMs: number;
  #lane: DeliveryPipeline | null = null;
  #closing: Promise<DeliveryReport> | null = null;
  /** By the monotonic clock; Infinity until the shutdown begins. */
  #closeAt = Infinity;
  #callsEnded: Promise<unknown> | undefined;
  /** The shutdown of a lane that was opened after the shutdown had begun. */
  #late: Promise<unknown> | null = null;

  constructor(first: DeliveryPipeline, second: SecondLane, options: { readonly shutdownTimeoutMs: number }) {
    this.#first = first;
    this.#second = second;
    this.#shutdownTimeoutMs = options.shutdownTimeoutMs;
  }

  stats(): DeliveryStats {
    const first = this.#first.stats();
    return this.#lane ? mergeStats(first, this.#lane.stats()) : first;
  }

  accept(event: QueuedEvent): boolean {
    return this.#laneOf(event).accept(event);
  }

  deliverNow(event: QueuedEvent, call: ImmediateCall): Promise<ImmediateOutcome> {
    return this.#laneOf(event).deliverNow(event, call);
  }

  async flush(timeoutMs: number): Promise<DeliveryReport> {
    return mergeReports(await Promise.all(this.#lanes.map((lane) => lane.flush(timeoutMs))));
  }

  resume(): void {
    for (const lane of this.#lanes) lane.resume();
  }

  async ready(timeoutMs?: number): Promise<void> {
    await Promise.all(this.#lanes.map((lane) => lane.ready(timeoutMs)));
  }

  close(callsEnded?: Promise<unknown>): Promise<DeliveryReport> {
    return (this.#closing ??= this.#close(callsEnded));
  }

  /** Opens the second lane, unless it is open or the first one is closed. */
  openSecond(): DeliveryPipeline {
    if (this.#lane) return this.#lane;
    if (this.#first.isClosed) return this.#first;
    const isLate = this.#closeAt < Infinity;
    const timeLeftMs = isLate ? Math.max(0, this.#closeAt - performance.now()) : this.#shutdownTimeoutMs;
    this.#lane = this.#second.open(timeLeftMs, isLate);
    if (isLate) this.#late = this.#lane.close(this.#callsEnded);
    return this.#lane;
  }

  get #lanes(): readonly DeliveryPipeline[] {
    return this.#lane ? [this.#first, this.#lane] : [this.#first];
  }

  #laneOf(event: QueuedEvent): DeliveryPipeline {
    return this.#second.takes(event) ? this.openSecond() : this.#first;
  }

  async #close(callsEnded: Promise<unknown> | undefined): Promise<DeliveryReport> {
    this.#closeAt = performance.now() + this.#shutdownTimeoutMs;
    this.#callsEnded = callsEnded;
    const report = mergeReports(await Promise.all(this.#lanes.map((lane) => lane.close(callsEnded))));
    await this.#late;
    return report;
  }
}
