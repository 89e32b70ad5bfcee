import { mixedHash } from '../../shared/mixed-hash.js';

const PERCENT = 100;
const UINT32 = 2 ** 32;

/**
 * True for the share `rate` of all persons: the same ones in every process and for every event, and more of them the higher the rate is.
 * The percent is that of PostHog's own clients (`sampleByDistinctId`), so that browser and server keep the same persons; a second hash
 * divides it further.
 */
export function isInSample(person: string, rate: number): boolean {
  if (rate >= 1) return true;
  let hash = 0;
  for (let index = 0; index < person.length; index += 1) hash = (Math.imul(hash, 31) + person.charCodeAt(index)) | 0;
  return (Math.abs(hash) % PERCENT) + mixedHash(person) / UINT32 < rate * PERCENT;
}
