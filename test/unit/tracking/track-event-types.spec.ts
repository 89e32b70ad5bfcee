import { expect, it } from '@jest/globals';
import { compileBlocks } from '../../package/compile-blocks.js';

const OPTIONAL = "'result' is possibly 'undefined'.";

// Each case is on a line of its own.
const CASES: [options: string, problem: string | null][] = [
  ['{ properties: ({ result }) => ({ total: result.total }) }', null],
  ["{ on: 'success', properties: ({ result }) => ({ total: result.total.cents }) }", null],
  ["{ on: ['success'], distinctId: ({ result }) => result.customer }", null],
  ["{ on: 'any', properties: ({ result }) => ({ total: result.total }) }", OPTIONAL],
  ["{ on: 'error', distinctId: ({ result }) => result.customer }", OPTIONAL],
  ["{ on: ['success', 'error'], groups: ({ result }) => ({ company: result.company }) }", OPTIONAL],
  ["{ on: ['denied'], when: ({ result }) => result.isPaid }", OPTIONAL],
  ["{ when: (context) => context.result.isPaid, on: 'any' }", "'context.result' is possibly 'undefined'."],
  ["{ on: 'any', properties: ({ result }) => ({ total: result?.total.cents, all: result }) }", null],
  ["{ on: 'any', properties: ({ result }) => ({ lines: (result as string[] | undefined)?.length }) }", null],
  ["{ on: 'any', properties: ({ args, request, error }) => ({ a: args[0].id, b: request.user, error }) }", null],
  ["{ on: 'any', properties: ({ outcome }: TrackContext) => ({ outcome }) }", null],
  ["{ on: 'any', properties: ({ result }: TrackContext<'any'>) => ({ total: result.total }) }", OPTIONAL],
  ['given', null],
  // Of a name, and of a definition.
  ["{ on: 'succes' }", 'No overload matches this call.'],
];

it('result is possibly undefined in callbacks of @TrackEvent unless on is success', () => {
  const code = [
    "import { TrackContext, TrackEvent, TrackEventOptions } from 'nestjs-posthog-capture';",
    "const given: TrackEventOptions = { on: 'error', when: ({ result }) => result?.isPaid === true };",
    ...CASES.map(([options]) => `TrackEvent('order_placed', ${options});`),
  ].join('\n');
  const block = { page: 'types', line: 1, language: 'ts', code, file: undefined, continues: false };
  const problems = compileBlocks([block]).get('types') ?? [];

  const expected = CASES.flatMap(([, problem], index) =>
    problem === null ? [] : [expect.stringContaining(`types:${index + 3}: ${problem}`)],
  );
  expect(problems).toEqual(expected);
  expect(problems.at(-1)).toContain(`Type '"succes"' is not assignable to type`);
});
