import { afterEach, describe, expect, it } from '@jest/globals';
import { captureCaught } from '../../lib/capture/capture-caught.js';
import { closeAll, expectBalanced, start } from '../support/harness.js';

afterEach(closeAll);

const BOUNDARY = { level: 'fatal', type: 'task', handled: false, source: 'test.hook' } as const;

describe('captureCaught', () => {
  it('captures an error with the facts of its boundary', async () => {
    const { capture, posthog } = await start();
    const uuid = captureCaught(capture, new TypeError('no'), BOUNDARY, () => ({ job: 7, $exception_level: 'info' }));
    await capture.flush();
    const [event] = posthog.events;
    expect(event).toMatchObject({
      uuid,
      event: '$exception',
      properties: {
        job: 7,
        $exception_level: 'fatal',
        $exception_source: 'test.hook',
        $exception_list: [{ type: 'TypeError', mechanism: { type: 'task', handled: false } }],
      },
    });
    expectBalanced(capture);
  });

  it('leaves an error alone that the application has captured', async () => {
    const { capture, posthog } = await start();
    const error = new Error('once');
    const uuid = capture.captureException(error, { properties: { by: 'filter' } });
    expect(captureCaught(capture, error, BOUNDARY)).toBe(uuid);
    await capture.flush();
    expect(posthog.events).toHaveLength(1);
    expect(posthog.events[0]?.properties).toMatchObject({ by: 'filter', $exception_level: 'error' });
  });

  it('reads no properties of an error beyond the limit', async () => {
    const { capture } = await start({ exceptions: { limit: { burst: 1, everyMs: 60_000 } } });
    let calls = 0;
    const properties = (): Record<string, unknown> => ({ calls: (calls += 1) });
    for (let i = 0; i < 5; i += 1)
      captureCaught(capture, new Error('flood'), { ...BOUNDARY, level: 'error' }, properties);
    expect(calls).toBe(1);
    await capture.flush();
    expectBalanced(capture);
    expect(capture.stats().droppedByReason).toMatchObject({ rate_limited: 4 });
  });

  it('captures nothing with a disabled instance', async () => {
    const { capture, posthog } = await start();
    capture.disable();
    expect(captureCaught(capture, new Error('off'), BOUNDARY)).toBeNull();
    await capture.flush();
    expect(posthog.events).toEqual([]);
  });

  it('captures with the stand-in of a test', () => {
    const seen: unknown[] = [];
    const standIn = { captureException: (...args: unknown[]) => (seen.push(args), 'uuid') };
    expect(captureCaught(standIn, 'thrown', BOUNDARY, () => ({ a: 1 }))).toBe('uuid');
    expect(seen).toEqual([['thrown', { properties: { a: 1 } }]]);
  });
});
