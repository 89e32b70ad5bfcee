import { describe, expect, it } from '@jest/globals';
import { EventIntake } from '../../../lib/capture/event/event-intake.js';
import { checkEvent } from '../../../lib/capture/input/check-event.js';
import { ContextStorage } from '../../../lib/context/context-storage.js';
import { type PostHogEvent } from '../../../lib/wire/posthog-event.js';

function thrower(): never {
  throw new Error('secret');
}

const trap = (): Record<string, unknown> => ({
  plan: 'pro',
  get trap() {
    return thrower();
  },
});

/** The properties as they are sent, without those of the library. */
function sentProperties(event: object, superProperties: Record<string, unknown> = {}): Record<string, unknown> {
  const contexts = new ContextStorage();
  const intake = new EventIntake(contexts, 'v0', {
    maxEventBytes: 10_000,
    disableGeoip: false,
    superProperties,
  });
  const checked = checkEvent({ event: 'e', distinctId: 'u', ...event });
  if (!checked.ok) throw new Error(checked.problem);
  const taken = contexts.run({ properties: { context: 1 } }, () => intake.take(checked.source, () => undefined));
  if (!taken.ok) throw new Error(taken.detail);
  const { $lib, $lib_version, $is_server, ...rest } = (JSON.parse(taken.queued.payload) as PostHogEvent).properties;
  expect([$lib, $lib_version, $is_server]).not.toContain(undefined);
  return rest;
}

describe('properties that throw', () => {
  it('a getter that throws becomes null', () => {
    expect(sentProperties({ properties: trap() })).toEqual({ context: 1, plan: 'pro', trap: null });
  });

  it('a getter of superProperties that throws becomes null', () => {
    expect(sentProperties({}, trap())).toEqual({ context: 1, plan: 'pro', trap: null });
    expect(sentProperties({ properties: trap() }, trap())).toEqual({ context: 1, plan: 'pro', trap: null });
  });

  it('a getter is called once, or once more if another one throws', () => {
    let reads = 0;
    const properties = Object.defineProperty({}, 'count', { get: () => (reads += 1), enumerable: true });
    expect(sentProperties({ properties })).toEqual({ context: 1, count: 1 });
    expect(sentProperties({ properties }, trap())).toMatchObject({ count: 2 });
    Object.defineProperty(properties, 'trap', { get: thrower, enumerable: true });
    expect(sentProperties({ properties })).toMatchObject({ count: 4, trap: null });
  });

  it('properties that cannot be listed are left out, and nothing else', () => {
    const properties = new Proxy({}, { ownKeys: thrower });
    expect(sentProperties({ properties, groups: { a: 'e' } })).toEqual({ context: 1, $groups: { a: 'e' } });
    expect(sentProperties({ properties: { $groups: properties }, groups: { a: 'e' } })).toEqual({
      context: 1,
      $groups: { a: 'e' },
    });
  });
});
