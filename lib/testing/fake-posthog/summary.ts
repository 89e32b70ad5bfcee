import { type Memory } from './memory.js';

const MAX_LISTED = 10;

/** The newest events, requests and violations, for the message of a timeout. */
export function summaryOf({ events, requests, violations }: Memory): string {
  const list = (items: readonly unknown[], texts: string[]): string =>
    `${items.length}${texts.length === 0 ? '' : ` (${items.length > texts.length ? '… ' : ''}${texts.join(', ')})`}`;
  const newestEvents = events.slice(-MAX_LISTED).map(({ event, distinct_id: id }) => `${event} of ${id}`);
  const newestRequests = requests
    .slice(-MAX_LISTED)
    .map(({ method, path, status, aborted }) => `${method} ${path} ${aborted ? 'aborted' : (status ?? 'no response')}`);
  const newestViolations = violations.slice(-MAX_LISTED).map(({ rule, detail }) => `${rule}: ${detail}`);
  return [
    `Events: ${list(events, newestEvents)}`,
    `requests: ${list(requests, newestRequests)}`,
    `violations: ${list(violations, newestViolations)}`,
  ].join('; ');
}
