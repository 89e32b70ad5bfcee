import { didYouMean } from '../shared/did-you-mean.js';
import { LIBRARY_VERSION } from '../shared/version.js';
import { EVENTS_USAGE } from './events/usage.js';
import { type FlagNames, type Flags, readFlags } from './flags.js';
import { init } from './init.command.js';
import { EXIT, printable, type Terminal, UsageError } from './terminal.js';
import { IMPORT_USAGE, INIT_USAGE, LISTEN_USAGE, OUTBOX_SQL_USAGE, RELAY_USAGE, RUN_USAGE, USAGE } from './usage.js';

interface Command {
  readonly usage: string;
  readonly takes: FlagNames;
  /** Returns the exit code. Throws UsageError. */
  readonly run: (flags: Flags, terminal: Terminal) => Promise<number>;
}

/** A command with actions, such as `events list`. */
interface CommandGroup {
  readonly usage: string;
  readonly actions: ReadonlyMap<string, Command>;
  /** The action if none is given. */
  readonly default: string;
}

// Commands that need Nest load it when they run: init runs in applications where peers are missing.
const COMMANDS: ReadonlyMap<string, Command | CommandGroup> = new Map<string, Command | CommandGroup>([
  [
    'run',
    {
      usage: RUN_USAGE,
      takes: { values: ['event', 'distinct-id', 'properties', 'timestamp', 'uuid', 'host', 'input'], file: 'input' },
      run: async ({ values }, terminal) => (await import('./run.command.js')).run(values, terminal),
    },
  ],
  [
    'import',
    {
      usage: IMPORT_USAGE,
      takes: {
        values: ['concurrency', 'from', 'rejects', 'host'],
        switches: ['historical-migration', 'dry-run', 'resume'],
        argument: 'FILE',
      },
      run: async (flags, terminal) => (await import('./import.command.js')).importEvents(flags, terminal),
    },
  ],
  [
    'listen',
    {
      usage: LISTEN_USAGE,
      takes: { values: ['port', 'api-key'] },
      run: async ({ values }, terminal) => (await import('./listen.command.js')).listen(values, terminal),
    },
  ],
  [
    'relay',
    {
      usage: RELAY_USAGE,
      takes: { values: ['queue', 'outbox', 'outbox-table', 'project', 'health-port'] },
      run: async ({ values }, terminal) => (await import('./relay.command.js')).relay(values, terminal),
    },
  ],
  [
    'events',
    {
      usage: EVENTS_USAGE,
      default: 'list',
      actions: new Map<string, Command>([
        [
          'list',
          {
            usage: EVENTS_USAGE,
            takes: { lists: ['from'], values: ['format', 'check', 'output'] },
            run: async (flags, terminal) => (await import('./events/list.command.js')).listEvents(flags, terminal),
          },
        ],
        [
          'pull',
          {
            usage: EVENTS_USAGE,
            takes: { lists: ['from'], values: ['project', 'host'], switches: ['check'] },
            run: async (flags, terminal) => (await import('./events/pull.command.js')).pullEvents(flags, terminal),
          },
        ],
        [
          'push',
          {
            usage: EVENTS_USAGE,
            takes: { lists: ['from'], values: ['project', 'host'], switches: ['dry-run', 'enforce'] },
            run: async (flags, terminal) => (await import('./events/push.command.js')).pushEvents(flags, terminal),
          },
        ],
      ]),
    },
  ],
  [
    'outbox-sql',
    {
      usage: OUTBOX_SQL_USAGE,
      takes: { values: ['dialect', 'table'], switches: ['down'] },
      run: async (flags, terminal) => (await import('./outbox-sql.command.js')).printOutboxSql(flags, terminal),
    },
  ],
  [
    'init',
    {
      usage: INIT_USAGE,
      takes: { values: ['source-root'], switches: ['dry-run', 'skip-install'] },
      run: init,
    },
  ],
]);

/**
 * Runs `posthog-capture`.
 *
 * @param args arguments without the program name
 * @returns the exit code. Wrong usage prints one line on standard error and returns 2
 */
export async function runCli(args: readonly string[], terminal: Terminal): Promise<number> {
  const [name = '', ...rest] = args;
  if (name === '--help' || name === '-h' || name === 'help') {
    terminal.out(USAGE);
    return EXIT.ok;
  }
  if (name === '--version' || name === '-v') {
    terminal.out(`${LIBRARY_VERSION}\n`);
    return EXIT.ok;
  }
  if (name === '') {
    terminal.err(USAGE);
    return EXIT.usage;
  }
  const found = COMMANDS.get(name);
  if (found === undefined) return reportUsageError(terminal, 'posthog-capture', unknownCommand(name));
  return 'actions' in found
    ? runAction(name, found, rest, terminal)
    : runCommand(`posthog-capture ${name}`, found, rest, terminal);
}

async function runAction(
  name: string,
  { usage, actions, default: fallback }: CommandGroup,
  args: readonly string[],
  terminal: Terminal,
): Promise<number> {
  // `events --from dist/events.js list` is as good as `events list --from dist/events.js`.
  const at = args.findIndex((arg, index) => actions.has(arg) && !takesValue(args[index - 1] ?? '', actions));
  const first = args[0] ?? '';
  if (at === -1 && (first === '--help' || first === '-h')) {
    terminal.out(usage);
    return EXIT.ok;
  }
  if (at === -1 && first !== '' && !first.startsWith('-')) {
    const names = [...actions.keys()];
    const problem = `unknown action "${first}"; the actions are ${names.join(', ')}`;
    return reportUsageError(terminal, `posthog-capture ${name}`, problem);
  }
  const action = args[at] ?? fallback;
  const command = actions.get(action);
  if (command === undefined) throw new Error(`there is no action ${action}`);
  const rest = args.filter((_arg, index) => index !== at);
  return runCommand(`posthog-capture ${name} ${action}`, command, rest, terminal);
}

/** True for a flag whose value comes next, in all actions that have it. */
function takesValue(flag: string, actions: CommandGroup['actions']): boolean {
  const takes = [...actions.values()].map((action) => action.takes);
  const has = (names: readonly string[] = []): boolean => names.some((name) => flag === `--${name}`);
  return takes.some(({ lists, values }) => has(lists) || has(values)) && !takes.some(({ switches }) => has(switches));
}

async function runCommand(
  program: string,
  command: Command,
  args: readonly string[],
  terminal: Terminal,
): Promise<number> {
  try {
    const flags = readFlags(args, command.takes);
    if (!flags.help) return await command.run(flags, terminal);
    terminal.out(command.usage);
    return EXIT.ok;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    return reportUsageError(terminal, program, error.message);
  }
}

function reportUsageError(terminal: Terminal, program: string, problem: string): number {
  terminal.err(`${program}: ${printable(problem)}\n`);
  return EXIT.usage;
}

function unknownCommand(name: string): string {
  const commands = [...COMMANDS.keys()];
  // In a short word, half the letters may be wrong, which is more than didYouMean allows.
  const similar = didYouMean(name, commands) ?? commands.find((command) => command[0] === name[0]?.toLowerCase());
  // A flag of a command that was left out.
  const meant = name.startsWith('-') ? undefined : similar;
  const list = `the commands are ${commands.join(', ')}`;
  return `unknown command "${name}"; ${meant === undefined ? list : `did you mean ${meant}?`} (see posthog-capture --help)`;
}
