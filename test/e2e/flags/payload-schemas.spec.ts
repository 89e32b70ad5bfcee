import { type } from 'arktype';
import * as v from 'valibot';
import { z } from 'zod';
import { type StandardSchema } from 'nestjs-posthog-capture/flags';
import { closeAll } from '../../support/harness.js';
import { type FlagsApp, startFlags } from '../../support/flags.js';

let app: FlagsApp;

beforeAll(async () => {
  app = await startFlags();
  app.posthog.flags.set({ colours: { payload: { hex: '#00f', deep: { list: [1, 'two'] } } } });
});
afterAll(closeAll);

const read = <T>(schema: StandardSchema<unknown, T>): Promise<T | undefined> =>
  app.capture.withContext({ distinctId: 'ann' }, () => app.flags.payload('colours', { schema }));

it.each<[string, StandardSchema<unknown, { hex: string }>]>([
  ['zod', z.object({ hex: z.string() })],
  ['valibot', v.object({ hex: v.string() })],
  ['arktype', type({ hex: 'string' })],
  ['a schema that returns a promise', z.object({ hex: z.string().refine((hex) => Promise.resolve(hex !== '')) })],
])('a payload that matches is returned as its schema has it: %s', async (_library, schema) => {
  const payload = await read(schema);
  expect(payload?.hex).toBe('#00f');
});

it.each<[string, StandardSchema, string]>([
  ['zod', z.object({ hex: z.number(), deep: z.object({ list: z.array(z.number()) }) }), 'hex, deep.list[1]'],
  ['valibot', v.object({ hex: v.number(), deep: v.object({ list: v.array(v.number()) }) }), 'hex, deep.list[1]'],
  ['arktype', type({ hex: 'number', deep: { list: 'number[]' } }), 'deep.list[1], hex'],
  ['the whole payload', z.string(), 'the value as a whole'],
])(
  'a payload that does not match is left out, with a warning that quotes no value: %s',
  async (_library, schema, paths) => {
    const before = app.lines.length;
    expect(await read(schema)).toBeUndefined();
    expect(await read(schema)).toBeUndefined();
    const lines = app.lines.slice(before);
    expect(lines.length).toBeLessThanOrEqual(1);
    for (const line of lines) {
      expect(line).toContain(`the payload of "colours" was left out: it does not match its schema: ${paths}`);
      expect(line).not.toMatch(/#00f|two/);
    }
  },
);

it.each<[string, unknown, RegExp]>([
  [
    'throws',
    {
      '~standard': {
        validate: () => {
          throw new Error('x');
        },
      },
    },
    /its schema threw/,
  ],
  ['is none', {}, /schema is no Standard Schema/],
])('a schema that %s costs the payload', async (_what, schema, line) => {
  expect(await read(schema as StandardSchema)).toBeUndefined();
  expect(app.lines.at(-1)).toMatch(line);
});
