import { describe, expect, it } from '@jest/globals';
import { describeQueueDefaults, queueDefaults } from '../../../lib/options/queue-defaults.js';

const MIB = 1024 * 1024;

describe('the default bounds of the queue', () => {
  it.each<[number, number, number]>([
    [4096, 100_000, 64],
    [1024, 100_000, 64],
    [512, 50_000, 32],
    [128, 12_500, 8],
  ])('with a heap of %d MiB are %d events and %d MiB', (heap, maxQueueEvents, mib) => {
    expect(queueDefaults(heap * MIB)).toEqual({ maxQueueEvents, maxQueueBytes: mib * MIB });
  });

  it('are described if they are lower than usual, and not given', () => {
    expect(describeQueueDefaults({}, 4096 * MIB)).toBeUndefined();
    expect(describeQueueDefaults({}, 512 * MIB)).toBe(
      'The heap of this process is limited to 512 MiB: maxQueueEvents is 50000 instead of 100000, and maxQueueBytes is 33554432 instead of ' +
        '67108864, so that an outage of PostHog does not fill it. To keep more events, set these options, or raise the limit ' +
        '(--max-old-space-size).',
    );
    expect(describeQueueDefaults({ maxQueueEvents: 9 }, 512 * MIB)).not.toContain('maxQueueEvents');
    expect(describeQueueDefaults({ maxQueueEvents: 9, maxQueueBytes: 9 }, 512 * MIB)).toBeUndefined();
  });
});
