import { type EventDescription } from '../../events/describe-event.js';
import { toMarkdown } from './markdown.js';

/** A form of the catalog. */
export interface CatalogFormat {
  readonly write: (events: readonly EventDescription[]) => string;
  /** The lines that are compared: what a formatter changes does not count. Throws for a file of another form. */
  readonly lines: (text: string) => string[];
}

export const FORMATS: ReadonlyMap<string, CatalogFormat> = new Map<string, CatalogFormat>([
  ['markdown', { write: toMarkdown, lines: markdownLines }],
  [
    'json',
    {
      write: (events) => pretty({ events: events.map((event) => without({ ...event }, ['jsonSchema'])) }),
      lines: jsonLines,
    },
  ],
  ['json-schema', { write: (events) => pretty(toJsonSchema(events)), lines: jsonLines }],
]);

const pretty = (value: object): string => `${JSON.stringify(value, null, 2)}\n`;

const DRAFT = 'https://json-schema.org/draft/2020-12/schema';

/** A schema of all events as objects with `event` and `properties`. Its `$defs` have the properties of each. */
function toJsonSchema(events: readonly EventDescription[]): object {
  const idOf = (name: string): string => `urn:posthog-event:${encodeURIComponent(name.replace(/\p{Cs}/gu, '\uFFFD'))}`;
  const definitions = events.map(({ name, description, deprecated, jsonSchema }) => [
    name,
    {
      // References within it are relative to its own id.
      $schema: DRAFT,
      $id: idOf(name),
      title: name,
      ...(description !== null && { description }),
      ...(deprecated !== null && { deprecated: true }),
      ...(jsonSchema === null ? { type: 'object' } : without(jsonSchema, ['$schema', '$id', 'title', 'description'])),
    },
  ]);
  return {
    $schema: DRAFT,
    title: 'Events',
    oneOf: events.map(({ name }) => ({
      type: 'object',
      properties: { event: { const: name }, properties: { $ref: idOf(name) } },
      required: ['event', 'properties'],
    })),
    $defs: Object.fromEntries(definitions) as object,
  };
}

function without(schema: Readonly<Record<string, unknown>>, names: readonly string[]): object {
  return Object.fromEntries(Object.entries(schema).filter(([name]) => !names.includes(name)));
}

function jsonLines(text: string): string[] {
  return pretty(JSON.parse(text) as object).split('\n');
}

/** Formatters align the columns of tables, and add or remove empty lines. */
function markdownLines(text: string): string[] {
  return text
    .split(/\r?\n/)
    .map((line) => (line.startsWith('|') ? tableLine(line) : line.trimEnd()))
    .filter((line) => line !== '');
}

const tableLine = (line: string): string =>
  line
    .trim()
    .replace(/\s*(?<=(?<!\\)(?:\\\\)*)\|\s*/g, ' | ')
    .replace(/-{3,}/g, '---')
    .trim();
