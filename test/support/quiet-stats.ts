import { type CaptureStats } from 'nestjs-posthog-capture';
import { type QueueStats } from '../../lib/queue/queue-monitor.js';

/** Statistics of an instance without problems. */
export const QUIET: CaptureStats = {
  captured: 0,
  recovered: 0,
  delivered: 0,
  dropped: 0,
  droppedByReason: {},
  byEvent: [],
  pending: 0,
  pendingBytes: 0,
  inFlight: 0,
  retries: 0,
  requests: { total: 0, byStatus: {}, p50Ms: null, p90Ms: null, p99Ms: null },
  oldestPendingMs: null,
  coolDownUntil: null,
  limits: { maxQueueEvents: 100, maxQueueBytes: 1000, maxEventAgeMs: null, flushIntervalMs: 5000 },
  lastFailure: null,
  batchLimit: null,
  storeFailing: false,
  ai: null,
  queue: null,
  flags: null,
};
/** Statistics of a queue without problems, on a pod and on a relay. */
export const POD: QueueStats = {
  role: 'pod',
  state: 'ok',
  events: 0,
  bytes: 0,
  oldestMs: 0,
  relays: 1,
  partitionsHeld: 0,
  problems: [],
};
export const RELAY: QueueStats = { ...POD, role: 'relay', partitionsHeld: 4 };
