import { afterEach, describe, expect, it } from '@jest/globals';
import { PostHog } from 'posthog-node';
import { Flags } from '../../lib/flags/flags.js';
import { closeAll, expectBalanced, onClose, start } from '../support/harness.js';

afterEach(closeAll);

/** Evaluates without a request, and collects the events of posthog-node. */
async function evaluate(values: Record<string, boolean | string>) {
  const own: string[] = [];
  const client = new PostHog('phc_flags', {
    host: 'http://127.0.0.1:9',
    before_send: ({ event }) => (own.push(event), null),
  });
  onClose(() => client.shutdown());
  client.overrideFeatureFlags(values);
  const flags = await client.evaluateFlags('ada', { onlyEvaluateLocally: true });
  return { flags, own };
}

describe('capture({ flags })', () => {
  it("adds the value of each flag of posthog-node's snapshot, without reading it", async () => {
    const { capture, posthog } = await start();
    const { flags, own } = await evaluate({ checkout: 'blue', beta: true, old: false });
    capture.capture({ event: 'order_placed', distinctId: 'ada', flags });
    await capture.captureNow({ event: 'now', distinctId: 'ada', flags: flags.only(['old']) });
    await capture.flush();
    const placed = posthog.events.find(({ event }) => event === 'order_placed');
    expect(placed?.properties).toMatchObject({
      '$feature/checkout': 'blue',
      '$feature/beta': true,
      '$feature/old': false,
      $active_feature_flags: ['beta', 'checkout'],
    });
    const now = posthog.events.find(({ event }) => event === 'now')?.properties;
    expect(now).toHaveProperty('$feature/old', false);
    expect(now).not.toHaveProperty('$active_feature_flags');
    expect(own).toEqual([]);
    expect(flags.onlyAccessed().keys).toEqual([]);
    expectBalanced(capture);
  });

  it('adds the flags of FeatureFlags.evaluate(), without reading them', async () => {
    const { capture, posthog } = await start();
    const reads: string[] = [];
    const values = { checkout: 'blue', old: false, unknown: undefined };
    const flags = new Flags(
      Object.entries(values).map(([key, value]) => ({
        key,
        value,
        payload: undefined,
        degraded: undefined,
        snapshot: undefined,
        isExposed: false,
        isRead: false,
        isPayloadRead: false,
      })),
      ({ key }) => reads.push(key),
    );
    capture.capture({ event: 'order_placed', distinctId: 'ada', flags });
    await capture.flush();
    expect(posthog.events[0]?.properties).toMatchObject({
      '$feature/checkout': 'blue',
      '$feature/old': false,
      $active_feature_flags: ['checkout'],
    });
    expect(posthog.events[0]?.properties).not.toHaveProperty('$feature/unknown');
    expect(reads).toEqual([]);
  });

  it('gives precedence to the properties of the event, and the snapshot precedence over the context', async () => {
    const { capture, posthog } = await start({ superProperties: { '$feature/beta': 'super' } });
    const { flags } = await evaluate({ checkout: 'blue', beta: false });
    const context = {
      properties: { '$feature/beta': true, '$feature/read': true, $active_feature_flags: ['beta', 'read'] },
    };
    capture.withContext(context, () => {
      capture.capture({ event: 'one', flags, properties: { '$feature/checkout': 'own' } });
      capture.capture({ event: 'two', flags, properties: { $active_feature_flags: ['own'] } });
      capture.capture({ event: 'three', flags: flags.only(['beta']) });
    });
    await capture.flush();
    const [one, two, three] = posthog.events.map(({ properties }) => properties);
    expect(one).toMatchObject({
      '$feature/checkout': 'own',
      '$feature/beta': false,
      '$feature/read': true,
      $active_feature_flags: ['checkout', 'read'],
    });
    expect(two).toMatchObject({ '$feature/checkout': 'blue', $active_feature_flags: ['own'] });
    expect(three).toMatchObject({ '$feature/beta': false, $active_feature_flags: ['read'] });
  });

  it('does not add flags to $feature_flag_called', async () => {
    const { capture, posthog } = await start();
    const { flags } = await evaluate({ beta: true });
    capture.capture({ event: '$feature_flag_called', properties: { $feature_flag: 'beta' }, flags });
    await capture.flush();
    expect(posthog.events[0]?.properties).not.toHaveProperty('$feature/beta');
  });

  it('captures the event without flags that cannot be read, with one warning', async () => {
    const { capture, posthog, lines } = await start();
    const flags = {
      get keys(): string[] {
        throw new Error('hostile');
      },
    };
    capture.capture({ event: 'e', distinctId: 'ada', flags, properties: { n: 1 } });
    await capture.flush();
    expect(posthog.events).toMatchObject([{ event: 'e', properties: { n: 1 } }]);
    expect(lines).toEqual([
      'Event "e": flags must be the result of evaluateFlags(), but it is an object; it was left out.',
    ]);
    expectBalanced(capture);
  });
});
