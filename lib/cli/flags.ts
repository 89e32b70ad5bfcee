import { parseArgs, type ParseArgsConfig } from 'node:util';
import { errorText, UsageError } from './terminal.js';

/** The flags of one command, all with a value but `--help`. */
export function parseFlags<Name extends string>(
  args: readonly string[],
  names: readonly Name[],
): Partial<Record<Name | 'help', string | boolean>> {
  const options: ParseArgsConfig['options'] = { help: { type: 'boolean', short: 'h' } };
  for (const name of names) options[name] = { type: 'string' };
  try {
    const { values } = parseArgs({ args: [...args], options, allowPositionals: false });
    return values as Partial<Record<Name | 'help', string | boolean>>;
  } catch (error) {
    const [sentence = ''] = errorText(error, 'message').split(/\n|\. /);
    throw new UsageError(`${sentence}; see --help`);
  }
}

/** The value of a flag that was given. */
export function textOf(value: string | boolean | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
