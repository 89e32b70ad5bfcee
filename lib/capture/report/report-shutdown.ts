import { type DeliveryReport } from '../../delivery/delivery.js';
import { type CaptureStats } from '../capture-stats.js';
import { type EventReporter } from './event-reporter.js';

/**
 * Logs the result of a shutdown.
 *
 * @param report does not cover events captured during the shutdown
 * @param stats after it
 * @param uncommitted those of `stats.pending` in transactions that are still open
 */
export function reportShutdown(
  reporter: EventReporter,
  report: DeliveryReport,
  { requests, delivered, dropped, droppedByReason, pending, queue }: CaptureStats,
  uncommitted = 0,
): void {
  const lost = droppedByReason.shutdown ?? 0;
  const all = `${delivered} events were delivered and ${dropped} dropped since the start`;
  if (queue?.role === 'relay' && lost === 0) {
    const left =
      pending > 0
        ? `${pending} are left to other relays, in ${queue.kind === 'outbox' ? 'the outbox' : 'the shared queue'}`
        : 'none is pending';
    reporter.note('shut down', `Shut down: ${all}; ${left}.`);
  } else if (lost + pending > 0) {
    const stored = pending - uncommitted;
    const kept =
      (stored > 0 ? `, ${stored} remain in the store for the next start` : '') +
      (uncommitted > 0 ? `, ${uncommitted} are in transactions that are still open` : '');
    const why = report.error === null ? '' : ` Last error: ${report.error}.`;
    reporter.warn('shutdown', `Shut down: ${report.delivered} events were delivered${kept}, ${lost} were lost.${why}`);
  } else if (requests.total > 0) {
    // Nothing to log for a process that sent nothing.
    reporter.note('shut down', `Shut down: ${all}; none is pending.`);
  }
}
