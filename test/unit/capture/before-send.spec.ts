import { describe, expect, it } from '@jest/globals';
import { applyBeforeSend, type Filtered } from '../../../lib/capture/input/before-send.js';
import { type PostHogEvent } from '../../../lib/wire/posthog-event.js';
import { revoked, spiteful } from '../../support/hostile-values.js';

const UUID = '0190b5c7-6a2e-7cc3-9f5e-4d2a1b3c5d6e';
const EVENT: PostHogEvent = {
  uuid: UUID,
  event: 'e',
  distinct_id: 'u',
  timestamp: '2026-01-31T12:00:00.000Z',
  properties: { plan: 'pro' },
};

class Changed {
  readonly more = 1;
}

function thrower(): never {
  throw new Error('secret');
}

function filter(...answers: ((event: PostHogEvent) => unknown)[]): { filtered: Filtered; warnings: string[] } {
  const warnings: string[] = [];
  const filters = answers as ((event: PostHogEvent) => PostHogEvent)[];
  const filtered = applyBeforeSend(structuredClone(EVENT), filters, { maxEventBytes: 10_000 }, (warning) =>
    warnings.push(warning),
  );
  return { filtered, warnings };
}

const changed = (change: object) => (event: PostHogEvent) => ({ ...event, ...change });

describe('applyBeforeSend', () => {
  it.each<[string, (event: PostHogEvent) => unknown, Partial<PostHogEvent>]>([
    ['the event itself', (event) => event, {}],
    ['a changed copy', changed({ event: 'f', distinct_id: ' v ' }), { event: 'f', distinct_id: 'v' }],
    ['a number for an id', changed({ distinct_id: 7 }), { distinct_id: '7' }],
    ['a uuid in capitals', changed({ uuid: UUID.toUpperCase() }), {}],
    ['a time with an offset', changed({ timestamp: '2026-01-31T14:00:00+02:00' }), {}],
    ['a Date', changed({ timestamp: new Date(0) }), { timestamp: '1970-01-01T00:00:00.000Z' }],
    ['more than an event has', changed({ $set: 1 }), {}],
    ['a proxy', (event) => new Proxy(event, {}), {}],
    ['an instance', (event) => Object.assign(new Changed(), event), {}],
    [
      'getters',
      (event) => ({
        ...event,
        get properties() {
          return { plan: 'free' };
        },
      }),
      { properties: { plan: 'free' } },
    ],
    [
      'properties that throw',
      changed({
        properties: {
          a: 1,
          get b() {
            return thrower();
          },
        },
      }),
      { properties: { a: 1, b: null } },
    ],
    [
      'properties that cannot be listed',
      changed({ properties: new Proxy({}, { ownKeys: thrower }) }),
      { properties: {} },
    ],
    ['properties with a toJSON', changed({ properties: { a: 1, toJSON: () => 'text' } }), { properties: { a: 1 } }],
  ])('accepts %s', (_, answer, expected) => {
    const { filtered, warnings } = filter(answer);
    expect(filtered).toEqual({ event: { ...EVENT, ...expected } });
    expect(warnings).toEqual([]);
  });

  it.each<[string, (event: PostHogEvent) => unknown, 'before_send' | 'invalid', RegExp]>([
    ['null', () => null, 'before_send', /nothing/],
    ['undefined', () => undefined, 'before_send', /nothing/],
    ['an exception', thrower, 'before_send', /threw/],
    ['a promise', (event) => Promise.resolve(event), 'before_send', /promise/],
    ['a promise that rejects', () => Promise.reject(new Error('secret')), 'before_send', /promise/],
    ['a string', () => 'secret', 'before_send', /a string of 6 bytes/],
    ['a list', (event) => [event], 'before_send', /an array/],
    ['a revoked proxy', () => revoked(), 'before_send', /a proxy/],
    ['a spiteful proxy', () => spiteful(), 'before_send', /a proxy/],
    ['a blank name', changed({ event: ' ' }), 'invalid', /event .*blank/],
    ['a long name', changed({ event: 'x'.repeat(201) }), 'invalid', /event .*201 bytes/],
    [
      'a name that throws',
      (event) => Object.defineProperty(event, 'event', { get: thrower }),
      'invalid',
      /event .*throws/,
    ],
    ['no id', changed({ distinct_id: undefined }), 'invalid', /distinct_id .*missing/],
    ['a long id', changed({ distinct_id: 'x'.repeat(201) }), 'invalid', /distinct_id .*201 bytes/],
    ['no properties', changed({ properties: null }), 'invalid', /properties .*null/],
    ['a list of properties', changed({ properties: [] }), 'invalid', /properties .*array/],
    ['properties that are a revoked proxy', changed({ properties: revoked() }), 'invalid', /properties .*throws/],
  ])('drops the event for %s, with a reason that shows no value', (_, answer, reason, detail) => {
    const { filtered } = filter(answer);
    expect(filtered).toEqual({ reason, detail: expect.stringMatching(detail) });
    expect(JSON.stringify(filtered)).not.toContain('secret');
  });

  it.each<[string, (event: PostHogEvent) => unknown]>([
    ['a copy', changed({ uuid: 'none', timestamp: 'yesterday' })],
    ['the event itself', (event) => Object.assign(event, { uuid: 'none', timestamp: new Date(NaN) })],
    ['fields that are gone', ({ event, distinct_id, properties }) => ({ event, distinct_id, properties })],
    ['getters', (event) => Object.defineProperties(event, { uuid: { get: thrower }, timestamp: { get: thrower } })],
  ])('keeps the original uuid and timestamp, with a warning: %s', (_, answer) => {
    const { filtered, warnings } = filter(answer);
    expect(filtered).toEqual({ event: EVENT });
    expect(warnings).toEqual([expect.stringMatching(/^uuid /), expect.stringMatching(/^timestamp /)]);
  });

  it('removes properties for which PostHog would refuse the whole batch', () => {
    const { filtered, warnings } = filter(changed({ properties: { $cookieless_mode: 'yes', $set: 'secret', a: 1 } }));
    expect(filtered).toEqual({ event: { ...EVENT, properties: { a: 1 } } });
    expect(warnings).toEqual([expect.stringContaining('$cookieless_mode'), expect.stringContaining('$set')]);
    expect(warnings.join()).not.toContain('secret');
  });

  it('is independent of a reference that a filter keeps', () => {
    const kept: Record<string, unknown>[] = [];
    const { filtered } = filter((event) => {
      kept.push(event.properties);
      return event;
    });
    kept[0]!.plan = 'changed';
    expect(filtered).toEqual({ event: EVENT });
  });
});
