import { parseArgs } from 'node:util';
import { didYouMean } from '../shared/did-you-mean.js';
import { printable, UsageError } from './terminal.js';

/** Arguments that a command accepts. Names are without dashes. */
export interface FlagNames {
  /** Flags with a value. */
  readonly values: readonly string[];
  /** Flags with a value that may be repeated. Default: none. */
  readonly lists?: readonly string[];
  /** Flags without a value. Default: none. */
  readonly switches?: readonly string[];
  /** Name of the positional argument in the help. Default: no positional argument. */
  readonly argument?: string;
  /** The flag of `values` that takes a file, for commands without a positional argument. */
  readonly file?: string;
}

export interface Flags {
  /** `--help` or `-h` was given. The other arguments were not checked. */
  readonly help: boolean;
  readonly values: ReadonlyMap<string, string>;
  readonly lists: ReadonlyMap<string, readonly string[]>;
  readonly switches: ReadonlySet<string>;
  readonly argument: string | undefined;
}

/**
 * Parses `--name value`, `--name=value` and `--switch`. If a flag of `values` is repeated, the last one counts.
 *
 * @throws UsageError that names the argument and suggests a similar flag
 */
export function readFlags(args: readonly string[], takes: FlagNames): Flags {
  const { switches = [], lists: repeatable = [] } = takes;
  const names = [...repeatable, ...takes.values];
  const { tokens } = parseArgs({
    args: [...args],
    options: {
      help: { type: 'boolean', short: 'h' },
      ...Object.fromEntries(names.map((name) => [name, { type: 'string' as const }])),
      ...Object.fromEntries(switches.map((name) => [name, { type: 'boolean' as const }])),
    },
    strict: false,
    tokens: true,
  });
  if (tokens.some((token) => token.kind === 'option' && token.name === 'help')) {
    return { help: true, values: new Map(), lists: new Map(), switches: new Set(), argument: undefined };
  }
  const values = new Map<string, string>();
  const lists = new Map<string, string[]>();
  const given = new Set<string>();
  let argument: string | undefined;
  for (const token of tokens) {
    if (token.kind === 'option-terminator') continue;
    if (token.kind === 'positional') {
      if (takes.argument !== undefined && argument === undefined) {
        argument = token.value;
        continue;
      }
      throw new UsageError(`unexpected argument ${quote(token.value)}: ${remedyFor(token.value, takes, values)}`);
    }
    if (switches.includes(token.name)) {
      if (token.value !== undefined) throw new UsageError(`--${token.name} takes no value`);
      given.add(token.name);
      continue;
    }
    if (!names.includes(token.name))
      throw new UsageError(unknownFlag(token.rawName, token.name, [...names, ...switches]));
    // In `--event --distinct-id x` the value is probably missing. A value with leading dashes can be written --event=--odd.
    if (token.value === undefined || (!token.inlineValue && /^--?[a-z]/i.test(token.value))) {
      throw new UsageError(`--${token.name} needs a value`);
    }
    if (repeatable.includes(token.name)) lists.set(token.name, [...(lists.get(token.name) ?? []), token.value]);
    else values.set(token.name, token.value);
  }
  return { help: false, values, lists, switches: given, argument };
}

function remedyFor(value: string, { values, lists = [], file }: FlagNames, given: ReadonlyMap<string, string>): string {
  if (file === undefined || !/^-$|\.json$|[\\/]/i.test(value))
    return `put a flag before the value, such as --${[...lists, ...values][0]}`;
  return given.has(file) ? `--${file} takes one file` : `did you mean --${file} ${printable(value)}?`;
}

function unknownFlag(written: string, name: string, names: readonly string[]): string {
  const meant = didYouMean(name, names);
  return `unknown flag ${printable(written)}; ${meant === undefined ? `the flags are ${names.map((one) => `--${one}`).join(', ')}` : `did you mean --${meant}?`}`;
}

function quote(text: string): string {
  return `"${printable(text)}"`;
}
