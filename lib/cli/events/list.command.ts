import { readFile, writeFile } from 'node:fs/promises';
import { describeEvent, type EventDescription } from '../../events/describe-event.js';
import { didYouMean } from '../../shared/did-you-mean.js';
import { type Flags } from '../flags.js';
import { EXIT, messageOf, printable, type Terminal, UsageError } from '../terminal.js';
import { type CatalogFormat, FORMATS } from './formats.js';
import { lineDiff } from './line-diff.js';
import { loadDefinitions } from './load-definitions.js';

const DEFAULT_FORMAT = 'markdown';
const MAX_LINES = 40;

/**
 * `posthog-capture events list`: writes the catalog of events, or compares it with a file.
 *
 * @throws UsageError if the definitions cannot be loaded, or a file cannot be read or written
 */
export async function listEvents({ values, lists }: Flags, terminal: Terminal): Promise<number> {
  const [check, output] = [values.get('check'), values.get('output')];
  if (check !== undefined && output !== undefined) throw new UsageError('use either --check or --output');
  const format = formatOf(values.get('format'), check ?? output);
  const events = (await loadDefinitions(lists.get('from') ?? [])).map(describeEvent);
  warnOfNotes(events, terminal);
  const text = format.write(events);
  if (check !== undefined) return compare(check, text, format, terminal);
  if (output === undefined) terminal.out(text);
  else {
    await write(output, text);
    terminal.out(`Wrote ${printable(output)}: ${countOf(events)}.\n`);
  }
  return EXIT.ok;
}

function formatOf(name: string | undefined, file: string | undefined): CatalogFormat {
  if (name === undefined && file?.endsWith('.json')) {
    throw new UsageError(`the format of ${printable(file)} is missing: add --format json or --format json-schema`);
  }
  const format = FORMATS.get(name ?? DEFAULT_FORMAT);
  if (format !== undefined) return format;
  const names = [...FORMATS.keys()];
  const meant = didYouMean(name ?? '', names);
  const list = meant === undefined ? `the formats are ${names.join(', ')}` : `did you mean ${meant}?`;
  throw new UsageError(`unknown format "${printable(name ?? '')}"; ${list}`);
}

/** Shared with the other commands on definitions. */
export function warnOfNotes(events: readonly EventDescription[], { err }: Terminal): void {
  for (const { name, note } of events) {
    if (note !== null) err(`posthog-capture events: warning: ${printable(`${name}: ${note}`)}\n`);
  }
}

async function compare(file: string, text: string, format: CatalogFormat, terminal: Terminal): Promise<number> {
  const name = printable(file);
  const differs = (problem: string): number => {
    terminal.err(`posthog-capture events list: ${name} ${problem} with --output ${name}.\n`);
    return EXIT.failed;
  };
  const current = await read(file);
  if (current === undefined) return differs('does not exist. Write it');
  const lines = differences(current, text, format);
  if (lines === undefined) return differs('is not valid JSON. Write it again');
  if (lines.length === 0) {
    terminal.out(`${name} is up to date.\n`);
    return EXIT.ok;
  }
  const rest = lines.length - MAX_LINES;
  for (const line of lines.slice(0, MAX_LINES)) terminal.out(`${printable(line)}\n`);
  if (rest > 0) terminal.out(`… and ${rest} more lines\n`);
  return differs('differs from the definitions. Write it again');
}

/** undefined for a file that does not have the format. */
function differences(current: string, text: string, format: CatalogFormat): string[] | undefined {
  const expected = format.lines(text);
  try {
    return lineDiff(format.lines(current), expected);
  } catch {
    return undefined;
  }
}

async function read(file: string): Promise<string | undefined> {
  try {
    // Some editors of Windows write a byte order mark.
    return (await readFile(file, 'utf8')).replace(/^\uFEFF/, '');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new UsageError(`cannot read ${printable(file)}: ${messageOf(error)}`);
  }
}

async function write(file: string, text: string): Promise<void> {
  try {
    await writeFile(file, text);
  } catch (error) {
    throw new UsageError(`cannot write ${printable(file)}: ${messageOf(error)}`);
  }
}

export const countOf = ({ length }: readonly unknown[]): string => `${length} event${length === 1 ? '' : 's'}`;
