import { parseArgs } from 'node:util';
import { nearestName } from '../nearest-name.js';
import { printable } from './printable.js';
import { UsageError } from './terminal.js';

/** The flags of a command that take a value, by name without dashes, each with its placeholder in the help. */
export type FlagNames = readonly string[];

/** What was given on the command line. */
export interface Flags {
  /** `--help` or `-h` was among the arguments; nothing else was checked then. */
  readonly help: boolean;
  readonly values: ReadonlyMap<string, string>;
}

/**
 * Reads `--name value` and `--name=value`. Given twice, the last one counts.
 *
 * @throws UsageError that names the argument, and the flag that was probably meant
 */
export function readFlags(args: readonly string[], names: FlagNames): Flags {
  const { tokens } = parseArgs({
    args: [...args],
    options: {
      help: { type: 'boolean', short: 'h' },
      ...Object.fromEntries(names.map((name) => [name, { type: 'string' as const }])),
    },
    strict: false,
    tokens: true,
  });
  if (tokens.some((token) => token.kind === 'option' && token.name === 'help')) {
    return { help: true, values: new Map() };
  }
  const values = new Map<string, string>();
  for (const token of tokens) {
    if (token.kind === 'option-terminator') continue;
    if (token.kind === 'positional') {
      throw new UsageError(`unexpected argument ${quote(token.value)}: values belong to a flag, such as --${names[0]}`);
    }
    if (!names.includes(token.name)) throw new UsageError(unknownFlag(token.rawName, token.name, names));
    // `--event --distinct-id x`: a forgotten value rather than an odd one, which can be written --event=--odd.
    if (token.value === undefined || (!token.inlineValue && /^--?[a-z]/i.test(token.value))) {
      throw new UsageError(`--${token.name} needs a value`);
    }
    values.set(token.name, token.value);
  }
  return { help: false, values };
}

function unknownFlag(written: string, name: string, names: FlagNames): string {
  const meant = nearestName(name, names);
  return `unknown flag ${printable(written)}; ${meant === undefined ? `flags are ${names.map((one) => `--${one}`).join(', ')}` : `did you mean --${meant}?`}`;
}

function quote(text: string): string {
  return `"${printable(text)}"`;
}
