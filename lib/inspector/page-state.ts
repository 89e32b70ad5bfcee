import { type CaptureStats } from '../capture/capture-stats.js';
import { capitalized, routeOf } from '../capture/report/route.js';
import { type AnsweredRequest } from '../delivery/delivery.js';
import { assessHealth, type HealthStatus } from '../health/assess-health.js';
import { type LiveState, type Tone } from '../live/messages.js';
import { queueLine } from './queue-line.js';

/**
 * The status lines of the page. They have the problems of the health check, so that the two never disagree; those of feature flags have a
 * table of their own.
 *
 * @param last the last observed request; null before the first one
 */
export function pageState(stats: CaptureStats, last: AnsweredRequest | null, isDisabled: boolean): LiveState {
  const { health, problems } = assessHealth({ ...stats, flags: null });
  const state = deliveryState(stats, last, isDisabled);
  const lines = stats.queue ? [queueLine(stats.queue)] : [];
  for (const { message, remedy } of problems) {
    const isShown =
      (message === stats.lastFailure?.message && state.remedy !== undefined) ||
      lines.some((line) => line.includes(message));
    if (!isShown) lines.push(`${message}: ${remedy}`);
  }
  return {
    ...state,
    tone: worse(state.tone, TONES[health]),
    ...(lines.length > 0 && { detail: lines.join('. ') }),
  };
}

const TONES: Readonly<Record<HealthStatus, Tone>> = { up: 'idle', degraded: 'warn', down: 'bad' };
const SEVERITY: readonly Tone[] = ['idle', 'busy', 'good', 'warn', 'bad'];

function worse(one: Tone, other: Tone): Tone {
  return SEVERITY.indexOf(one) >= SEVERITY.indexOf(other) ? one : other;
}

function deliveryState(stats: CaptureStats, last: AnsweredRequest | null, isDisabled: boolean): LiveState {
  const { pending, coolDownUntil, lastFailure, requests, queue, ai } = stats;
  const { receiver } = routeOf(queue);
  const remedy = lastFailure?.remedy;
  const ofAi = ai === null || ai.pending === 0 ? '' : ` (${ai.pending} of AI)`;
  const waiting = `${pending === 0 ? 'nothing' : pending === 1 ? '1 event' : `${pending} events`} waiting${ofAi}`;
  if (isDisabled) return { tone: 'idle', text: `Capturing is disabled; ${waiting}`, nextAt: null };
  // Rounded, because it varies by a millisecond between calls.
  const nextAt = coolDownUntil === null ? null : Math.round(coolDownUntil / 1000) * 1000;
  const result = resultOf(last, lastFailure, receiver);
  if (nextAt !== null)
    return { tone: 'bad', text: `${result}: cooling down, next attempt in {next}; ${waiting}`, nextAt, remedy };
  if (requests.total === 0) return { tone: 'idle', text: `No request sent yet; ${waiting}`, nextAt };
  if (requests.total === requests.byStatus.aborted && lastFailure === null)
    return { tone: 'idle', text: `${capitalized(receiver)} has not responded yet; ${waiting}`, nextAt };
  const isHealthy = lastFailure === null && (last === null || isSuccess(last));
  return { tone: isHealthy ? 'good' : 'warn', text: `${result}; ${waiting}`, nextAt, remedy };
}

function resultOf(last: AnsweredRequest | null, lastFailure: CaptureStats['lastFailure'], receiver: string): string {
  const name = capitalized(receiver);
  if (last?.status != null && last.status >= 300) return `${name} responds with HTTP ${last.status}`;
  if (last?.failure === 'timeout') return `${name} does not respond in time`;
  if (last?.failure === 'network') return `${name} cannot be reached`;
  // A response that does not accept the events, such as a login page with HTTP 200, or an error of a shared queue.
  if (lastFailure !== null) return lastFailure.message;
  return last === null || isSuccess(last) ? `${name} responds` : `${name} cannot be reached`;
}

/** By its status. The response may still be of another server than PostHog. */
export function isSuccess({ status, failure }: AnsweredRequest): boolean {
  return failure === null && (status === null || (status >= 200 && status < 300));
}
