import { describe, expect, it } from '@jest/globals';
import { checkEvent } from '../../../lib/capture/input/check-event.js';
import { type BuilderSettings, buildEvent } from '../../../lib/capture/event/event-builder.js';
import { type Checked } from '../../../lib/capture/input/source-event.js';
import { checkIdentify } from '../../../lib/capture/input/special-events.js';
import { type CheckedContext } from '../../../lib/context/capture-context.js';
import { LIBRARY_NAME, LIBRARY_VERSION } from '../../../lib/shared/version.js';
import { type PostHogEvent } from '../../../lib/wire/posthog-event.js';
import { revoked } from '../../support/hostile-values.js';

const LIBRARY = { $lib: LIBRARY_NAME, $lib_version: LIBRARY_VERSION, $is_server: true };

function built(
  checked: Checked,
  acting: CheckedContext = {},
  settings: Partial<BuilderSettings> = {},
  warn: (warning: string) => void = () => undefined,
): PostHogEvent {
  if (!checked.ok) throw new Error(checked.problem);
  return buildEvent(
    checked.source,
    { acting, personlessId: () => 'random', uuid: 'new-uuid', timestamp: '1970-01-01T00:00:00.000Z', warn },
    { disableGeoip: false, superProperties: {}, maxEventBytes: 10_000, ...settings },
  );
}

/** An event of user `u`, and what it has besides what the library adds. */
function propertiesOf(
  event: object,
  acting?: CheckedContext,
  settings?: Partial<BuilderSettings>,
): Record<string, unknown> {
  const { properties } = built(checkEvent({ event: 'e', distinctId: 'u', ...event }), acting, settings);
  expect(properties).toMatchObject(LIBRARY);
  return Object.fromEntries(Object.entries(properties).filter(([name]) => !Object.hasOwn(LIBRARY, name)));
}

describe('buildEvent', () => {
  it('fills in missing fields', () => {
    expect(built(checkEvent({ event: 'e', distinctId: 'u' }))).toStrictEqual({
      uuid: 'new-uuid',
      event: 'e',
      distinct_id: 'u',
      timestamp: '1970-01-01T00:00:00.000Z',
      properties: LIBRARY,
    });
  });

  it('keeps given fields', () => {
    const uuid = '0190b5c7-6a2e-7cc3-9f5e-4d2a1b3c5d6e';
    const event = { event: 'e', distinctId: 5, uuid, timestamp: '2026-01-31T12:00:00Z', properties: { plan: 'pro' } };
    expect(built(checkEvent(event))).toStrictEqual({
      uuid,
      event: 'e',
      distinct_id: '5',
      timestamp: '2026-01-31T12:00:00Z',
      properties: { ...LIBRARY, plan: 'pro' },
    });
  });

  it('properties of the call win over those of the context, and these over superProperties', () => {
    const settings = { superProperties: { a: 'module', b: 'module', c: 'module' } };
    const acting = { properties: { b: 'context', c: 'context' } };
    expect(propertiesOf({ properties: { c: 'caller' } }, acting, settings)).toEqual({
      a: 'module',
      b: 'context',
      c: 'caller',
    });
  });

  it('does not let properties override those of the library', () => {
    const fake = { $lib: 'fake', $lib_version: 'fake', $is_server: false };
    expect(propertiesOf({ properties: fake }, { properties: fake }, { superProperties: fake })).toEqual({});
  });

  it('does not change a property that looks like a time', () => {
    const properties = { at: '2026-01-31T12:00:00+02:00', on: '31.1.2026' };
    expect(propertiesOf({ properties })).toEqual(properties);
  });

  it('does not change a property distinct_id', () => {
    expect(propertiesOf({ properties: { distinct_id: 'x' } })).toEqual({ distinct_id: 'x' });
  });

  it('changes neither the caller’s objects nor shared ones', () => {
    const properties = Object.freeze({ plan: 'pro' });
    const superProperties = Object.freeze({ app: 'shop' });
    const acting = Object.freeze({ properties: Object.freeze({ a: 1 }), groups: Object.freeze({ g: 'x' }) });
    const first = propertiesOf({ properties, groups: { h: 'y' } }, acting, { superProperties });
    expect(propertiesOf({ properties, groups: { h: 'y' } }, acting, { superProperties })).toEqual(first);
  });
});

describe('the person', () => {
  const profile = (event: object, acting?: CheckedContext, settings?: Partial<BuilderSettings>): unknown[] => {
    const { distinct_id: id, properties } = built(checkEvent({ event: 'e', ...event }), acting, settings);
    return [id, properties.$process_person_profile];
  };

  it.each<[string, unknown[], unknown[]]>([
    ['the call', profile({ distinctId: 'call' }, { distinctId: 'context' }), ['call', undefined]],
    ['the context', profile({}, { distinctId: 'context' }), ['context', undefined]],
    ['none', profile({}), ['random', false]],
    ['none, with a profile by option', profile({ options: { processPersonProfile: true } }), ['random', true]],
    ['none, with a profile by property', profile({ properties: { $process_person_profile: true } }), ['random', true]],
    ['none, with an invalid switch', profile({ properties: { $process_person_profile: 'yes' } }), ['random', false]],
    [
      'none, where the module asks for profiles',
      profile({}, {}, { superProperties: { $process_person_profile: true } }),
      ['random', false],
    ],
    [
      'a person without a profile',
      profile({ distinctId: 'u', options: { processPersonProfile: false } }),
      ['u', false],
    ],
    [
      'the option wins over the property',
      profile({
        distinctId: 'u',
        options: { processPersonProfile: true },
        properties: { $process_person_profile: false },
      }),
      ['u', true],
    ],
  ])('%s', (_, actual, expected) => {
    expect(actual).toEqual(expected);
  });

  const off = { $process_person_profile: false };

  it.each<[string, CheckedContext, Partial<BuilderSettings>]>([
    ['context', { properties: off }, {}],
    ['module', {}, { superProperties: off }],
    ['both', { properties: off }, { superProperties: off }],
  ])('a switched-off profile of the %s is removed from events that need one', (_, acting, settings) => {
    expect(built(checkEvent({ event: 'e', distinctId: 'u' }), acting, settings).properties).toMatchObject(off);
    for (const checked of [
      checkIdentify({ distinctId: 'u' }),
      checkEvent({ event: '$groupidentify', distinctId: 'u' }),
    ]) {
      expect(built(checked, acting, settings).properties).toStrictEqual(LIBRARY);
    }
  });

  it('the call may switch it off nevertheless', () => {
    const event = { event: '$identify', distinctId: 'u', options: { processPersonProfile: false } };
    expect(built(checkEvent(event)).properties).toMatchObject(off);
  });
});

describe('geoip', () => {
  const on = { disableGeoip: true };
  it.each<[string, object, Partial<BuilderSettings>, unknown]>([
    ['the module allows it', {}, {}, undefined],
    ['the module disables it', {}, on, true],
    ['the event allows it', { disableGeoip: false }, on, undefined],
    ['the event disables it', { disableGeoip: true }, {}, true],
    [
      'the event’s field wins over its property',
      { disableGeoip: false, properties: { $geoip_disable: true } },
      on,
      undefined,
    ],
    ['a property wins over the module', { properties: { $geoip_disable: false } }, on, false],
  ])('%s', (_, event, settings, expected) => {
    const properties = propertiesOf(event, {}, settings);
    expect('$geoip_disable' in properties).toBe(expected !== undefined);
    expect(properties.$geoip_disable).toBe(expected);
  });
});

describe('groups', () => {
  it.each<[string, object, CheckedContext, unknown]>([
    ['none', {}, {}, undefined],
    ['of the event', { groups: { a: 1 } }, {}, { a: '1' }],
    ['of the context', {}, { groups: { a: 'c' } }, { a: 'c' }],
    [
      'of all, the nearer wins',
      { groups: { a: 'e' }, properties: { $groups: { a: 'p', b: 'p' } } },
      { groups: { a: 'c', b: 'c', c: 'c' } },
      { a: 'e', b: 'p', c: 'c' },
    ],
    ['in properties alone', { properties: { $groups: { a: 'p' } } }, {}, { a: 'p' }],
    ['over something else', { groups: { a: 'e' }, properties: { $groups: ['x'] } }, {}, { a: 'e' }],
    ['over a revoked proxy', { groups: { a: 'e' }, properties: { $groups: revoked() } }, {}, { a: 'e' }],
    ['over a string', { groups: { a: 'e' }, properties: { $groups: 'text' } }, {}, { a: 'e' }],
    ['with a toJSON', { groups: { a: 'e' }, properties: { $groups: { toJSON: () => 'text' } } }, {}, { a: 'e' }],
    ['something else alone', { properties: { $groups: 'text' } }, {}, undefined],
  ])('%s', (_, event, acting, expected) => {
    const properties = propertiesOf(event, acting);
    expect('$groups' in properties).toBe(expected !== undefined);
    expect(properties.$groups).toEqual(expected);
  });
});

describe('session', () => {
  it.each<[string, object, CheckedContext, unknown]>([
    ['of the context', {}, { sessionId: 's' }, 's'],
    ['of the caller', { properties: { $session_id: 'mine' } }, { sessionId: 's' }, 'mine'],
    ['of the context, not of its properties', {}, { sessionId: 's', properties: { $session_id: 'x' } }, 's'],
    ['none', {}, {}, undefined],
  ])('%s', (_, event, acting, expected) => {
    expect(propertiesOf(event, acting).$session_id).toBe(expected);
  });
});

describe('switches', () => {
  it('and other reserved properties are checked in every source, with a warning', () => {
    const warnings: string[] = [];
    const wrong = { $set: 'secret' };
    const build = (event: object, acting: CheckedContext, settings: Partial<BuilderSettings>): unknown =>
      built(checkEvent({ event: 'e', distinctId: 'u', ...event }), acting, settings, (text) => warnings.push(text))
        .properties;
    for (const properties of [
      build({ properties: wrong }, {}, {}),
      build({}, { properties: wrong }, {}),
      build({}, {}, { superProperties: wrong }),
    ]) {
      expect(properties).toStrictEqual(LIBRARY);
    }
    expect(warnings).toEqual(Array(3).fill(expect.stringMatching(/^property "\$set" must be an object/)));
  });

  it('become properties', () => {
    const options = {
      cookielessMode: true,
      disableSkewCorrection: true,
      processPersonProfile: false,
      productTourId: 't',
    };
    expect(propertiesOf({ options })).toEqual({
      $cookieless_mode: true,
      $ignore_sent_at: true,
      $process_person_profile: false,
      $product_tour_id: 't',
    });
  });

  it.each(['$cookieless_mode', '$ignore_sent_at', '$process_person_profile'])(
    '%s of another type is removed in every source: PostHog would refuse the whole batch',
    (name) => {
      for (const wrong of ['true', 1, null, {}]) {
        const wrongType = { [name]: wrong };
        expect(propertiesOf({ properties: wrongType })).toEqual({});
        expect(propertiesOf({}, { properties: wrongType })).toEqual({});
        expect(propertiesOf({}, {}, { superProperties: wrongType })).toEqual({});
      }
    },
  );
});

describe('hostile properties', () => {
  it('a property may be called __proto__', () => {
    const properties = JSON.parse('{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}') as object;
    const merged = propertiesOf({ properties }, { properties: properties as Record<string, unknown> });
    expect(JSON.stringify(merged)).toBe(JSON.stringify(properties));
    expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false);
  });

  it('a method toJSON is left out', () => {
    expect(propertiesOf({ properties: { a: 1, toJSON: () => 'everything' } })).toEqual({ a: 1 });
  });
});
