import { type EventDescription, type PropertyDescription } from '../../events/describe-event.js';
import { escapeControls } from '../../shared/escape-controls.js';

const HEAD = `<!-- Written by posthog-capture events list. Change the definitions in the code, not this file. -->

# Events
`;

/** The catalog as a page. Names and types cannot break out of their cells. */
export function toMarkdown(events: readonly EventDescription[]): string {
  return `${HEAD}${events.map((event) => `\n${sectionOf(event)}`).join('')}`;
}

function sectionOf({
  name,
  description,
  owner,
  version,
  deprecated,
  limits,
  properties,
  note,
}: EventDescription): string {
  const facts: readonly (readonly [string, string | number | null])[] = [
    ['Owner', owner],
    ['Version', version],
    ['Deprecated', deprecated],
    [
      'Limits',
      limits === null
        ? null
        : Object.entries(limits)
            .map(([field, limit]) => `${field} ${limit}`)
            .join(', '),
    ],
    ['Note', note],
  ];
  const list = facts.flatMap(([label, fact]) => (fact === null ? [] : [`- ${label}: ${text(String(fact))}`]));
  const parts = [
    `## ${code(name)}`,
    ...(description === null ? [] : [text(description)]),
    ...(list.length === 0 ? [] : [list.join('\n')]),
    ...(note === null ? [tableOf(properties)] : []),
  ];
  return `${parts.join('\n\n')}\n`;
}

function tableOf(properties: readonly PropertyDescription[]): string {
  if (properties.length === 0) return 'No properties.';
  const rows = properties.map(({ name, type, required, pii, description }) => [
    code(name),
    code(type),
    required ? 'yes' : 'no',
    pii ? 'yes' : 'no',
    text(description ?? ''),
  ]);
  const table = [
    ['property', 'type', 'required', 'personal', 'description'],
    ['---', '---', '---', '---', '---'],
    ...rows,
  ];
  return table.map((row) => `| ${row.map(cell).join(' | ')} |`).join('\n');
}

/** A pipe with an even number of backslashes before it ends a cell, also within code. */
const cell = (markdown: string): string =>
  markdown.replace(/(\\*)\|/g, (_found, slashes: string) => `${slashes}${slashes.length % 2 === 0 ? '\\' : '\\\\'}|`);

/** A description is Markdown, on one line and without HTML. */
const text = (markdown: string): string =>
  escapeControls(markdown.replace(/\s+/g, ' ').trim()).replace(/(?<!\\)</g, '\\<');

function code(raw: string): string {
  const line = escapeControls(raw);
  const longest = Math.max(0, ...[...line.matchAll(/`+/g)].map(([ticks]) => ticks.length));
  const fence = '`'.repeat(longest + 1);
  const space = line.startsWith('`') || line.endsWith('`') ? ' ' : '';
  return `${fence}${space}${line}${space}${fence}`;
}
