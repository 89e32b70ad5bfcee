const UINT32 = 2 ** 32;

/**
 * Whether a person is among those whose events of this name are kept: always the same answer for the same person, in every process.
 *
 * @param rate the share of persons that is kept, 0 to 1
 */
export function isSampled(event: string, distinctId: string, rate: number): boolean {
  if (rate >= 1) return true;
  return rate > 0 && hash(`${event}:${distinctId}`) / UINT32 < rate;
}

/** FNV-1a with the final mix of MurmurHash3: cheap, and even also for ids that differ only at their end. */
function hash(text: string): number {
  let h = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) h = Math.imul(h ^ text.charCodeAt(index), 0x01000193);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
