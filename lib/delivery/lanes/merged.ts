import { type DeliveryReport, type DeliveryStats, type DropReason } from '../delivery.js';
import { type Remainder } from '../hand-over.js';

/** The stats of two pipelines that count their requests together. */
export function mergeStats(first: DeliveryStats, second: DeliveryStats): DeliveryStats {
  const { pending, pendingBytes } = second;
  // The one that is worse off says why.
  const [worse, better] = isWorse(second, first) ? [second, first] : [first, second];
  return {
    ...first,
    recovered: first.recovered + second.recovered,
    delivered: first.delivered + second.delivered,
    pending: first.pending + pending,
    pendingBytes: first.pendingBytes + pendingBytes,
    inFlight: first.inFlight + second.inFlight,
    oldestPendingMs: maxOf(first.oldestPendingMs, second.oldestPendingMs),
    coolDownUntil: worse.coolDownUntil ?? better.coolDownUntil,
    lastFailure: worse.lastFailure ?? better.lastFailure,
    batchLimit: first.batchLimit ?? second.batchLimit,
    storeFailing: first.storeFailing || second.storeFailing,
    secondLane: { pending, pendingBytes },
  };
}

function isWorse(one: DeliveryStats, other: DeliveryStats): boolean {
  const refuses = ({ lastFailure }: DeliveryStats): boolean => lastFailure?.refusesAll === true;
  if (refuses(one) !== refuses(other)) return refuses(one);
  return one.coolDownUntil !== null && other.coolDownUntil === null;
}

const maxOf = (one: number | null, other: number | null): number | null =>
  one === null || other === null ? (one ?? other) : Math.max(one, other);

export function mergeReports(reports: readonly DeliveryReport[]): DeliveryReport {
  const dropped: Partial<Record<DropReason, number>> = {};
  for (const report of reports) {
    for (const [reason, count] of Object.entries(report.dropped) as [DropReason, number][])
      dropped[reason] = (dropped[reason] ?? 0) + count;
  }
  return {
    delivered: reports.reduce((sum, { delivered }) => sum + delivered, 0),
    pending: reports.reduce((sum, { pending }) => sum + pending, 0),
    dropped,
    error: reports.find(({ error }) => error !== null)?.error ?? null,
  };
}

export function mergeRemainders(remainders: readonly Remainder[]): Remainder {
  return {
    events: remainders.flatMap(({ events }) => events),
    settle: (delivered, durationMs) => {
      for (const remainder of remainders)
        remainder.settle(new Set(remainder.events.filter((event) => delivered.has(event))), durationMs);
    },
  };
}
