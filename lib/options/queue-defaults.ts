import { getHeapStatistics } from 'node:v8';

const MIB = 1024 * 1024;

/** The defaults where the heap is not small. */
const USUAL = { maxQueueEvents: 100_000, maxQueueBytes: 64 * MIB };

/**
 * Below this limit of the heap, the defaults shrink in proportion. A full queue takes up to twice `maxQueueBytes` (V8 stores a character
 * beyond Latin-1, and all others of its string, in two bytes) and some hundred bytes per event, and the requests in flight are copies.
 */
const ENOUGH_HEAP = 1024 * MIB;

/** @param heapLimit bytes */
export function queueDefaults(heapLimit: number = getHeapStatistics().heap_size_limit): typeof USUAL {
  const share = Math.min(1, heapLimit / ENOUGH_HEAP);
  return {
    maxQueueEvents: Math.floor(USUAL.maxQueueEvents * share),
    maxQueueBytes: Math.floor(USUAL.maxQueueBytes * share),
  };
}

/**
 * A line for the log about defaults that are lower than usual; undefined if there are none.
 *
 * @param given the options that are specified
 * @param heapLimit bytes
 */
export function describeQueueDefaults(
  given: Readonly<Record<string, unknown>>,
  heapLimit: number = getHeapStatistics().heap_size_limit,
): string | undefined {
  const defaults = queueDefaults(heapLimit);
  const lower = (['maxQueueEvents', 'maxQueueBytes'] as const).filter(
    (option) => given[option] === undefined && defaults[option] < USUAL[option],
  );
  if (lower.length === 0) return undefined;
  const values = lower.map((option) => `${option} is ${defaults[option]} instead of ${USUAL[option]}`).join(', and ');
  return (
    `The heap of this process is limited to ${Math.floor(heapLimit / MIB)} MiB: ${values}, so that an outage of PostHog does not fill it. ` +
    'To keep more events, set these options, or raise the limit (--max-old-space-size).'
  );
}
