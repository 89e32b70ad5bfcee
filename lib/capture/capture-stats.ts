import {
  type BatchLimit,
  type DropReason,
  type PendingLimits,
  type RequestStats,
  type SendFailure,
} from '../delivery/delivery.js';
import { type QueueStats } from '../queue/queue-monitor.js';
import { type EventStats } from './event-stats.js';
import { type FlagStats } from './flag-stats.js';

/** The state of one instance. `captured + recovered = delivered + dropped + pending` at every moment. */
export interface CaptureStats {
  /** Number of capture calls, including events dropped immediately. */
  captured: number;
  /**
   * Events that were read from the store of an earlier process; on a relay, events taken from the queue. Without those that another process
   * took over since.
   */
  recovered: number;
  /** Events that PostHog has accepted; with option `queue`, events that the queue has accepted. Includes those written to an outbox. */
  delivered: number;
  dropped: number;
  droppedByReason: Partial<Record<DropReason, number>>;
  /**
   * The events by name, the most frequent first: the 50 names that were captured most often, and the sum of all others as `(others)`. Of
   * more than 1000 names, the rarest are summed for good. An event that `beforeSend` renames counts for its new name. Read when this
   * property is first read.
   */
  byEvent: readonly EventStats[];
  /** Events in the queue or in flight. */
  pending: number;
  /** Size of the pending events as JSON in UTF-8. */
  pendingBytes: number;
  /** Pending events in requests, including requests that wait for a retry. */
  inFlight: number;
  /** Number of requests that were retries. */
  retries: number;
  /** Finished requests: their number, by status, and the durations of the last 1000. */
  requests: RequestStats;
  /**
   * Age of the oldest pending event in milliseconds; null if none is pending. If it grows, events are not delivered. Measured by the
   * system clock: if that is set, the age is wrong until these events are settled.
   */
  oldestPendingMs: number | null;
  /** End of the cool-down, when one request is sent as a probe, in epoch milliseconds; null if there is none. */
  coolDownUntil: number | null;
  /** The options that limit the pending events; null for a disabled instance. */
  limits: PendingLimits | null;
  /** The last error that keeps events pending, or an exceeded quota, with a remedy; null if there is none. */
  lastFailure: SendFailure | null;
  /**
   * The size to which batches are limited because larger requests fail without a 413, with a remedy; null if there is no such limit.
   * Larger ones are tried from time to time.
   */
  batchLimit: BatchLimit | null;
  /** true: the store fails, and events are in memory only. */
  storeFailing: boolean;
  /**
   * The part of `pending` that waits for PostHog's endpoint for AI events. Its queue is apart from that of all others, and has the same
   * limits. null until there is an AI event.
   */
  ai: { pending: number; pendingBytes: number } | null;
  /** The shared queue that this instance puts events into or takes them from; null without the option `queue`, except on a relay. */
  queue: QueueStats | null;
  /** The feature flags read through FeatureFlagsModule; null without it. */
  flags: FlagStats | null;
}
