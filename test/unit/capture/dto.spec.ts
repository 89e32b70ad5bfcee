import { describe, expect, it } from '@jest/globals';
import { type ArgumentMetadata, BadRequestException, ClassSerializerInterceptor, ValidationPipe } from '@nestjs/common';
import * as transformerPackage from 'class-transformer';
import { checkEvent } from '../../../lib/capture/input/check-event.js';
import { CaptureEventDto, captureEventOf } from '../../../lib/capture/input/capture-event.dto.js';
import { CaptureResult } from '../../../lib/capture/capture-result.js';

const BODY: ArgumentMetadata = { type: 'body', metatype: CaptureEventDto };
const UUID = '0190b5c7-6a2e-7cc3-9f5e-4d2a1b3c5d6e';

/** Every mode that matters to a DTO. */
const MODES = [false, true].flatMap((transform) =>
  [{}, { whitelist: true }, { whitelist: true, forbidNonWhitelisted: true }].flatMap((strictness) =>
    [false, true].map((enableImplicitConversion) => ({
      ...strictness,
      transform,
      transformOptions: { enableImplicitConversion },
    })),
  ),
);

const FULL = {
  event: 'order_placed',
  distinct_id: 'user_1',
  properties: { amount: 5, nested: { list: [1, { a: null }], at: '2026-01-31T12:00:00Z' } },
  timestamp: '2026-01-31T12:00:00Z',
  uuid: UUID,
  groups: { company: 'acme', team: 5 },
  disable_geoip: false,
  options: {
    cookieless_mode: false,
    disable_skew_correction: true,
    process_person_profile: false,
    product_tour_id: 't',
  },
};

async function messagesOf(body: unknown, mode: object = {}): Promise<string[]> {
  try {
    await new ValidationPipe(mode).transform(body, BODY);
    return [];
  } catch (error) {
    if (!(error instanceof BadRequestException)) throw error;
    return (error.getResponse() as { message: string[] }).message;
  }
}

describe.each(MODES)('CaptureEventDto behind a ValidationPipe with %j', (mode) => {
  it('accepts a complete event unchanged, and converts it for capture()', async () => {
    const dto = (await new ValidationPipe(mode).transform(structuredClone(FULL), BODY)) as CaptureEventDto;
    expect(dto instanceof CaptureEventDto).toBe(mode.transform);
    expect(captureEventOf(dto)).toEqual({
      event: FULL.event,
      distinctId: FULL.distinct_id,
      properties: FULL.properties,
      timestamp: FULL.timestamp,
      uuid: UUID,
      groups: FULL.groups,
      disableGeoip: false,
      options: { cookielessMode: false, disableSkewCorrection: true, processPersonProfile: false, productTourId: 't' },
    });
    if (mode.transform) expect(dto.toCaptureEvent()).toEqual(captureEventOf(dto));
    expect(checkEvent(mode.transform ? dto : captureEventOf(dto))).toMatchObject({ ok: true, warnings: [] });
  });

  it('accepts the required fields alone', async () => {
    const dto = (await new ValidationPipe(mode).transform({ event: 'e', distinct_id: 7 }, BODY)) as CaptureEventDto;
    expect(checkEvent(captureEventOf(dto))).toMatchObject({
      ok: true,
      source: { event: 'e', distinctId: '7' },
      warnings: [],
    });
  });

  it.each<[string, object, RegExp]>([
    ['no event', { event: undefined }, /^event must be .* but it is missing$/],
    ['a blank event', { event: ' ' }, /^event must be .* but it is blank$/],
    ['a long event', { event: 'x'.repeat(201) }, /^event must be .* 201 bytes$/],
    ['no distinct_id', { distinct_id: undefined }, /^distinct_id must be .* but it is missing$/],
    ['a blank distinct_id', { distinct_id: '' }, /^distinct_id must be .* blank$/],
    ['a distinct_id of another type', { distinct_id: ['u'] }, /^distinct_id must be .* an array$/],
    ['a list of properties', { properties: [1] }, /^properties must be .* an array$/],
    ['an invalid timestamp', { timestamp: 'yesterday' }, /^timestamp must be .* ISO 8601/],
    ['a list of groups', { groups: ['acme'] }, /^groups must .* an array$/],
    ['an unknown kind of option', { options: { product_tour_id: {} } }, /^options\.product_tour_id must be/],
    ['a list of options', { options: [] }, /^options must be .* an array$/],
    ['an invalid uuid', { uuid: 'x' }, /^uuid must be/],
  ])('refuses %s', async (_, fields, expected) => {
    // With implicit conversion class-transformer turns any of these into a text first.
    if (mode.transformOptions.enableImplicitConversion && ('event' in fields || 'options' in fields)) return;
    const messages = await messagesOf({ ...FULL, ...fields }, mode);
    expect(messages).toEqual([expect.stringMatching(expected)]);
  });
});

describe('CaptureEventDto', () => {
  it('names options with their path', async () => {
    expect(await messagesOf({ ...FULL, options: { cookieless_mode: 'yes' }, disable_geoip: 'no' })).toEqual([
      'disable_geoip must be true or false, but it is a string of 2 bytes',
      'options.cookieless_mode must be true or false, but it is a string of 3 bytes',
    ]);
  });

  it('never shows a value', async () => {
    const secret = 'secret'.repeat(50);
    const body = {
      event: secret,
      distinct_id: secret,
      properties: secret,
      timestamp: secret,
      uuid: secret,
      groups: [secret],
    };
    const messages = await messagesOf(body);
    expect(messages).toHaveLength(6);
    expect(messages.join()).not.toContain('secret');
  });

  it.each([undefined, null])('treats %p as missing', (missing) => {
    const { event, distinct_id, ...rest } = FULL;
    const nothing = Object.fromEntries(Object.keys(rest).map((name) => [name, missing]));
    const dto = transformerPackage.plainToInstance(CaptureEventDto, { event, distinct_id, ...nothing });
    expect(checkEvent(dto)).toMatchObject({ ok: true, warnings: [], source: { event, distinctId: distinct_id } });
  });
});

describe('CaptureResult', () => {
  const JSON_TEXT = '{"success":true,"event":"page_view","distinct_id":"user_123","error":null}';
  const result = new CaptureResult({ event: 'page_view', distinctId: 'user_123', error: null, uuid: UUID });
  const failed = new CaptureResult({ event: 'e', distinctId: 'u', error: 'PostHog API error: HTTP 401', uuid: null });

  it.each<[string, (value: CaptureResult) => unknown]>([
    ['JSON.stringify', (value) => value],
    ['instanceToPlain', (value) => transformerPackage.instanceToPlain(value)],
    [
      'instanceToPlain, excluding all but what is exposed',
      (value) => transformerPackage.instanceToPlain(value, { strategy: 'excludeAll' }),
    ],
    [
      'ClassSerializerInterceptor',
      (value) => new ClassSerializerInterceptor({}, { transformerPackage }).serialize(value, {}),
    ],
  ])('reads the same with %s', (_, write) => {
    expect(JSON.stringify(write(result))).toBe(JSON_TEXT);
    expect(JSON.stringify({ all: [write(failed)] })).toBe(
      '{"all":[{"success":false,"event":"e","distinct_id":"u","error":"PostHog API error: HTTP 401"}]}',
    );
  });

  it('has the uuid, outside of its JSON', () => {
    expect(result).toMatchObject({
      success: true,
      event: 'page_view',
      distinctId: 'user_123',
      error: null,
      uuid: UUID,
    });
  });
});
