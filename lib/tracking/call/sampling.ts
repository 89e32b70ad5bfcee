import { type CaptureService } from '../../capture/capture.service.js';
import { currentScope, personlessIdOf } from '../../context/context-scope.js';

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
  return rate > 0 && hash(`${event}:${distinctId ?? currentPerson(capture)}`) / UINT32 < rate;
}

/** The distinct id that an event captured now will have. */
function currentPerson(capture: Partial<Pick<CaptureService, 'context'>>): string {
  // A stand-in for the service may have no context.
  const distinctId = capture.context?.get().distinctId;
  if (distinctId !== undefined) return String(distinctId);
  const scope = currentScope.getStore();
  return scope === undefined ? '' : personlessIdOf(scope);
}

/** FNV-1a with the final mix of MurmurHash3: fast, and evenly distributed for ids that differ only at their end. */
function hash(text: string): number {
  let h = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) h = Math.imul(h ^ text.charCodeAt(index), 0x01000193);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
