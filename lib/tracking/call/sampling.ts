import { type CaptureService } from '../../capture/capture.service.js';
import { currentScope, personlessIdOf } from '../../context/context-scope.js';
import { mixedHash } from '../../shared/mixed-hash.js';

const UINT32 = 2 ** 32;

/**
 * Samples persons, not events: the result for the same person and event name is the same in every process.
 *
 * @param rate share of persons to keep, 0 to 1
 * @param distinctId undefined: the current user of `capture`
 */
export function isSampled(
  event: string,
  rate: number,
  capture: Partial<Pick<CaptureService, 'context'>>,
  distinctId?: string,
): boolean {
  if (rate >= 1) return true;
  return rate > 0 && mixedHash(`${event}:${distinctId ?? currentPerson(capture)}`) / UINT32 < rate;
}

/** The distinct id that an event captured now will have. */
function currentPerson(capture: Partial<Pick<CaptureService, 'context'>>): string {
  // A test double of the service may have no context.
  const distinctId = capture.context?.get().distinctId;
  if (distinctId !== undefined) return String(distinctId);
  const scope = currentScope.getStore();
  return scope === undefined ? '' : personlessIdOf(scope);
}
