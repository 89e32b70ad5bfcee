import { expect, it, jest } from '@jest/globals';
import { IsInt } from 'class-validator';
import * as v from 'valibot';

jest.unstable_mockModule('../../../lib/shared/require.js', () => ({
  requirePackage: (name: string) => {
    throw new Error(`Cannot find module '${name}'`);
  },
}));
const { defineEvent, Event } = await import('nestjs-posthog-capture');
const { definedEventOf } = await import('../../../lib/events/defined-event.js');
const { describeEvent } = await import('../../../lib/events/describe-event.js');

@Event('class_event', { description: 'It happened', pii: ['total'] })
class ClassEvent {
  @IsInt() total!: number;
}

it.each<[string, object, string, string]>([
  [
    'a Valibot schema',
    defineEvent('an_event', v.object({}), { description: 'It happened' }),
    '@valibot/to-json-schema',
    ' (1.5 or later)',
  ],
  ['a class', ClassEvent, 'class-validator-jsonschema', ''],
])('the description of %s names the package that is missing', (_what, definition, name, version) => {
  const defined = definedEventOf(definition);
  const description = defined && describeEvent(defined);
  expect(description).toMatchObject({ description: 'It happened', properties: [], jsonSchema: null });
  expect(description?.note).toMatch(/^its properties are unknown, because /);
  expect(description?.note?.endsWith(`: npm install ${name}${version}`)).toBe(true);
});
