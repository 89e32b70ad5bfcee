import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { runCli } from '../../lib/cli/cli.js';
import { EventModules } from '../support/event-modules.js';
import { ScriptedTerminal } from '../support/scripted-terminal.js';

let modules: EventModules;
beforeAll(() => {
  modules = new EventModules();
});
afterAll(() => modules.remove());

const EVENTS = `
export const OrderPlaced = defineEvent(
  'order_placed',
  z.object({
    total: z.number().describe('In cents'),
    currency: z.enum(['EUR', 'USD']).default('EUR'),
    email: z.email().optional(),
  }),
  { description: 'An order was paid', owner: 'checkout', pii: ['email'], version: 2 },
);
export const CartOpened = defineEvent('cart_opened', z.object({}), { deprecated: 'use order_placed' });
`;

const MARKDOWN = `<!-- Written by posthog-capture events list. Change the definitions in the code, not this file. -->

# Events

## \`cart_opened\`

- Deprecated: use order_placed

No properties.

## \`order_placed\`

An order was paid

- Owner: checkout
- Version: 2

| property | type | required | personal | description |
| --- | --- | --- | --- | --- |
| \`total\` | \`number\` | yes | no | In cents |
| \`currency\` | \`"EUR" \\| "USD" (default: "EUR")\` | no | no |  |
| \`email\` | \`string (email)\` | no | yes |  |
`;

async function events(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const terminal = new ScriptedTerminal();
  const code = await runCli(['events', ...args], terminal);
  return { code, stdout: terminal.stdout, stderr: terminal.stderr };
}

/** The catalog of a module with this code, as an object. */
async function catalogOf(code: string, format = 'json'): Promise<{ [name: string]: unknown; events: unknown[] }> {
  const { stdout, stderr } = await events('list', '--from', modules.esm(code), '--format', format);
  expect(stderr).toBe('');
  return JSON.parse(stdout) as { events: unknown[] };
}

describe('events list', () => {
  it('prints the catalog as a page, ordered by name', async () => {
    expect(await events('list', '--from', modules.esm(EVENTS))).toEqual({ code: 0, stdout: MARKDOWN, stderr: '' });
  });

  it('is the default action, and may come after the flags', async () => {
    const path = modules.esm(EVENTS);
    expect((await events('--from', path)).stdout).toBe(MARKDOWN);
    expect((await events('--from', path, 'list')).stdout).toBe(MARKDOWN);
  });

  it('prints it as JSON', async () => {
    const catalog = await catalogOf(EVENTS);
    expect(catalog.events).toEqual([
      expect.objectContaining({ name: 'cart_opened', deprecated: 'use order_placed', properties: [] }),
      {
        name: 'order_placed',
        description: 'An order was paid',
        owner: 'checkout',
        deprecated: null,
        version: 2,
        pii: ['email'],
        limits: null,
        properties: [
          { name: 'total', type: 'number', required: true, description: 'In cents', pii: false },
          expect.objectContaining({ name: 'currency', required: false }),
          expect.objectContaining({ name: 'email', pii: true }),
        ],
        note: null,
      },
    ]);
  });

  it('prints it as one JSON Schema, in which recursive schemas refer to themselves', async () => {
    const recursive = `
      const Folder = z.object({ name: z.string(), get folders() { return z.array(Folder).optional(); } });
      export const FolderMoved = defineEvent('folder/moved ~', Folder);`;
    expect(await catalogOf(EVENTS + recursive, 'json-schema')).toMatchObject({
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      oneOf: [
        {},
        {
          properties: {
            event: { const: 'folder/moved ~' },
            properties: { $ref: 'urn:posthog-event:folder%2Fmoved%20~' },
          },
        },
        { properties: { event: { const: 'order_placed' } }, required: ['event', 'properties'] },
      ],
      $defs: {
        cart_opened: { deprecated: true },
        'folder/moved ~': {
          $id: 'urn:posthog-event:folder%2Fmoved%20~',
          properties: { folders: { items: { $ref: '#' } } },
        },
        order_placed: { title: 'order_placed', description: 'An order was paid', required: ['total'] },
      },
    });
  });

  it('finds definitions in classes, arrays, objects, options and CommonJS modules, each once', async () => {
    const commonJs = modules.file(
      'events.cjs',
      `const mark = Symbol.for('nestjs-posthog-capture:defined-event');
       const schema = { '~standard': { version: 1, vendor: 'own', validate: (value) => ({ value }), jsonSchema: { input: () => ({ type: 'object' }) } } };
       const defined = { event: 'f', info: {}, source: { schema }, check: () => ({ ok: true }), prototype: {} };
       module.exports = { F: { [mark]: defined } };`,
    );
    const path = modules.esm(`
      class ClassEvent {}
      Event('a')(ClassEvent);
      const of = (name) => defineEvent(name, z.object({}));
      const B = of('b');
      export { ClassEvent, B, B as Again };
      export const list = [B, of('c')];
      export const byName = { D: of('d') };
      export default { events: { catalog: [of('e'), B] } };
      export const others = [null, 3, 'text', () => {}, new Map(), new Proxy({}, { ownKeys() { throw new Error('no'); } })];`);
    const { stdout } = await events('list', '--from', path, '--from', commonJs, '--format', 'json');
    const names = (JSON.parse(stdout) as { events: { name: string }[] }).events.map(({ name }) => name);
    expect(names).toEqual(['a', 'b', 'c', 'd', 'e', 'f']);
  });

  it('lists an event whose properties are unknown, with a warning', async () => {
    const path = modules.esm(`
      const standard = (jsonSchema) => ({ '~standard': { version: 1, vendor: 'own', validate: (value) => ({ value }), jsonSchema } });
      export const Old = defineEvent('old', standard(undefined), { description: 'It happened' });
      export const Hostile = defineEvent('hostile', standard({ input() { throw new Error('no | way'); } }));`);
    const { code, stdout, stderr } = await events('list', '--from', path);
    expect(code).toBe(0);
    expect(stdout).toContain('## `old`\n\nIt happened\n\n- Note: its properties are unknown');
    expect(stdout).toContain('## `hostile`\n\n- Note: its JSON Schema cannot be generated: no | way\n');
    expect(stderr.split('\n')[1]).toMatch(/^posthog-capture events: warning: old: its properties are unknown/);
  });

  it('keeps names, types and descriptions within their place on the page', async () => {
    const path = modules.esm(String.raw`
      export const Odd = defineEvent('a|b \`x\`\n# forged', z.object({
        'p|q\\|r': z.literal('\u001b[31m | <b>').describe('one | two \\| three\n\n| four | <script>'),
      }), { description: 'first\n# second <!-- ', owner: 'a\n- b' });`);
    const { stdout } = await events('list', '--from', path);
    expect(stdout.split('\n').slice(4)).toEqual([
      '## ``a|b `x`\\n# forged``',
      '',
      'first # second \\<!--',
      '',
      '- Owner: a - b',
      '',
      '| property | type | required | personal | description |',
      '| --- | --- | --- | --- | --- |',
      '| `p\\|q\\\\\\|r` | `"\\u001b[31m \\| <b>"` | yes | no | one \\| two \\\\\\| three \\| four \\| \\<script> |',
      '',
    ]);
  });

  it('writes 3000 events', async () => {
    const path = modules.esm(
      `export const all = Array.from({ length: 3000 }, (_, at) => defineEvent('event_' + at, z.object({ at: z.int() })));`,
    );
    const file = join(modules.folder, 'many.md');
    expect((await events('list', '--from', path, '--output', file)).stdout).toBe(`Wrote ${file}: 3000 events.\n`);
    expect((await events('list', '--from', path, '--check', file)).code).toBe(0);
  });
});

describe('events list --check', () => {
  const changes: [string, (code: string) => string, string[]][] = [
    [
      'another type',
      (code) => code.replace('z.number()', 'z.string()'),
      ['- | `total` | `number`', '+ | `total` | `string`'],
    ],
    ['a rule', (code) => code.replace('z.number()', 'z.number().min(1)'), ['+ | `total` | `number (minimum: 1)`']],
    [
      'another literal',
      (code) => code.replace("'USD'", "'CHF'"),
      ['+ | `currency` | `"EUR" \\| "CHF" (default: "EUR")`'],
    ],
    [
      'a required property',
      (code) => code.replace('z.email().optional()', 'z.email()'),
      ['+ | `email` | `string (email)` | yes'],
    ],
    [
      'a new property',
      (code) => code.replace('z.object({}', 'z.object({ at: z.date() }'),
      ['- No properties.', '+ | `at`'],
    ],
    [
      'another description',
      (code) => code.replace('was paid', 'was placed'),
      ['- An order was paid', '+ An order was placed'],
    ],
    [
      'another owner',
      (code) => code.replace("'checkout'", "'payments'"),
      ['- - Owner: checkout', '+ - Owner: payments'],
    ],
    [
      'a personal property',
      (code) => code.replace("pii: ['email']", 'pii: []'),
      ['- | `email` | `string (email)` | no | yes'],
    ],
    [
      'a limit',
      (code) => code.replace('version: 2', 'version: 2, sampleRate: 0.1, limit: { perMinute: 60 }'),
      ['+ - Limits: sampleRate 0.1, perMinute 60'],
    ],
    ['a new event', (code) => `${code} export const New = defineEvent('new', z.object({}));`, ['+ ## `new`']],
    ['a removed event', (code) => code.replace('export const CartOpened', 'const CartOpened'), ['- ## `cart_opened`']],
    [
      'another name',
      (code) => code.replace("'cart_opened'", "'cart_seen'"),
      ['- ## `cart_opened`', '+ ## `cart_seen`'],
    ],
  ];

  it.each(changes)('fails after %s, and shows the lines', async (_what, change, lines) => {
    const file = modules.file('catalog.md', MARKDOWN);
    const { code, stdout, stderr } = await events('list', '--from', modules.esm(change(EVENTS)), '--check', file);
    for (const line of lines) expect(stdout).toContain(line);
    expect(stderr).toBe(
      `posthog-capture events list: ${file} differs from the definitions. Write it again with --output ${file}.\n`,
    );
    expect(code).toBe(1);
    expect(readFileSync(file, 'utf8')).toBe(MARKDOWN);
  });

  it.each(['json', 'json-schema'])('fails after a change of %s, also of a nested property', async (format) => {
    const file = join(modules.folder, `catalog-${format}.json`);
    const code = `export const E = defineEvent('e', z.object({ items: z.array(z.object({ sku: z.string() })) }));`;
    const path = modules.esm(code);
    expect((await events('list', '--from', path, '--format', format, '--output', file)).code).toBe(0);
    expect((await events('list', '--from', path, '--format', format, '--check', file)).code).toBe(0);
    const changed = modules.esm(code.replace('sku: z.string()', 'sku: z.int()'));
    const checked = await events('list', '--from', changed, '--format', format, '--check', file);
    expect(checked.code).toBe(1);
    expect(checked.stdout).toContain('integer');
  });

  it('passes for a file that a formatter has changed', async () => {
    const formatted = MARKDOWN.replace('| --- |', '|:-----------|'.replace(':', '')).replaceAll(
      ' | yes |',
      '   | yes      |',
    );
    expect(formatted).not.toBe(MARKDOWN);
    const file = modules.file('formatted.md', `\uFEFF${formatted.replaceAll('\n', '\r\n')}`);
    const path = modules.esm(EVENTS);
    expect(await events('list', '--from', path, '--check', file)).toEqual({
      code: 0,
      stdout: `${file} is up to date.\n`,
      stderr: '',
    });
    const json = join(modules.folder, 'formatted.json');
    await events('list', '--from', path, '--format', 'json', '--output', json);
    writeFileSync(json, JSON.stringify(JSON.parse(readFileSync(json, 'utf8'))));
    expect((await events('list', '--from', path, '--format', 'json', '--check', json)).code).toBe(0);
  });

  it('fails for a file that does not exist, or is not JSON', async () => {
    const path = modules.esm(EVENTS);
    const missing = join(modules.folder, 'missing.md');
    expect(await events('list', '--from', path, '--check', missing)).toEqual({
      code: 1,
      stdout: '',
      stderr: `posthog-capture events list: ${missing} does not exist. Write it with --output ${missing}.\n`,
    });
    const broken = modules.file('broken.json', '{');
    expect(await events('list', '--from', path, '--format', 'json', '--check', broken)).toEqual({
      code: 1,
      stdout: '',
      stderr: `posthog-capture events list: ${broken} is not valid JSON. Write it again with --output ${broken}.\n`,
    });
  });
});

describe('wrong usage of events', () => {
  it.each<[string, () => string[], string]>([
    ['no module', () => [], 'the modules are missing: add --from dist/events.js'],
    [
      'no such module',
      () => ['--from', 'dist/none.js'],
      '"dist/none.js" does not exist: compile the application first',
    ],
    ['a folder', () => ['--from', modules.folder], 'is not a file: name the module that exports the events'],
    ['no definitions', () => ['--from', modules.esm('export const a = 1;')], 'no definitions in'],
    [
      'a module that throws',
      () => ['--from', modules.esm("throw new Error('no database\\nsecret')")],
      ': no database\n',
    ],
    ['a module that throws nothing', () => ['--from', modules.esm('throw undefined')], ': undefined\n'],
    [
      'two definitions of a name',
      () => [
        '--from',
        modules.esm(`export const a = defineEvent('twice', z.object({})), b = defineEvent('twice', z.object({}));`),
      ],
      'two definitions of "twice" in',
    ],
    [
      'an unknown format',
      () => ['--from', 'x', '--format', 'markdwon'],
      'unknown format "markdwon"; did you mean markdown?',
    ],
    ['another format', () => ['--format', 'xml'], 'unknown format "xml"; the formats are markdown, json, json-schema'],
    [
      'a JSON file without a format',
      () => ['--check', 'a.json'],
      'the format of a.json is missing: add --format json or',
    ],
    ['two files', () => ['--check', 'a.md', '--output', 'b.md'], 'use either --check or --output'],
    ['an unknown flag', () => ['--form', 'x'], 'unknown flag --form; did you mean --from?'],
    [
      'a file in no folder',
      () => ['--from', modules.esm(EVENTS), '--output', join(modules.folder, 'none', 'a.md')],
      'cannot write',
    ],
  ])('%s is explained', async (_what, args, problem) => {
    const { code, stdout, stderr } = await events('list', ...args());
    expect(stderr).toMatch(/^posthog-capture events list: [^\n]*\n$/);
    expect(stderr).toContain(problem);
    expect(stdout).toBe('');
    expect(code).toBe(2);
  });

  it('an unknown action is explained', async () => {
    const { code, stderr } = await events('lst');
    expect(stderr).toMatch(/^posthog-capture events: unknown action "lst"; the actions are list/);
    expect(code).toBe(2);
  });

  it('has a help', async () => {
    for (const args of [['--help'], ['list', '--help'], ['list', '-h']]) {
      const { code, stdout } = await events(...args);
      expect(stdout).toContain('--from FILE');
      expect(code).toBe(0);
    }
  });
});
