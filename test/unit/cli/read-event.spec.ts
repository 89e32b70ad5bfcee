import { describe, expect, it } from '@jest/globals';
import { amplitude } from '../../../lib/cli/import/formats/amplitude.js';
import { mixpanel } from '../../../lib/cli/import/formats/mixpanel.js';
import { segment } from '../../../lib/cli/import/formats/segment.js';
import { type SourceFormat } from '../../../lib/cli/import/formats/source-format.js';
import { readEvent } from '../../../lib/cli/import/read-event.js';

function read(text: string, format?: SourceFormat): unknown {
  const result = readEvent(
    { number: 1, end: text.length, text },
    { startedAt: '2026-01-02T03:04:05Z', format, warn: () => undefined },
  );
  return typeof result === 'string' ? result : result.event;
}

describe('a line of an import', () => {
  it.each([
    ['user_id', '{"type":"track","event":"a","user_id":12345678901234567890}', segment],
    ['anonymous_id', '{"type":"track","event":"a","anonymous_id":"a\\u0000"}', segment],
    ['previous_id', '{"type":"alias","user_id":"a","previous_id":7.0}', segment],
    [
      'amplitude_id',
      '{"event_type":"a","amplitude_id":12345678901234567890,"event_time":"2026-01-02 03:04:05"}',
      amplitude,
    ],
  ])('is rejected if %s would change', (id, text, format) => {
    expect(read(text, format)).toEqual(expect.stringMatching(new RegExp(`^${id} `)));
  });

  it.each(['constructor', 'toString', '__proto__'])('keeps the event name %s', (event) => {
    const text = JSON.stringify({ event, properties: { time: 1767323045, distinct_id: 'user_1' } });
    expect(read(text, mixpanel)).toMatchObject({ event, distinctId: 'user_1' });
  });

  it.each(['{"groups":{"company":" acme"}', '{"properties":{"$group_key":"acme "}'])(
    'keeps white space around a group key: %s',
    (start) => {
      expect(read(`${start},"event":"a","distinct_id":"user_1"}`)).toMatchObject(JSON.parse(`${start}}`) as object);
    },
  );
});
