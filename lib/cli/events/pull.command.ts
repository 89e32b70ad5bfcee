import { describeEvent } from '../../events/describe-event.js';
import { type Flags } from '../flags.js';
import { EXIT, printable, type Terminal } from '../terminal.js';
import { compareWithProject, countOfDifferences, type Differences } from './differences.js';
import { countOf, warnOfNotes } from './list.command.js';
import { loadDefinitions } from './load-definitions.js';
import { ProjectApi, ProjectError, readSettings } from './project-api.js';
import { readProject } from './project-state.js';
import { wantedEvent } from './wanted-events.js';

/**
 * `posthog-capture events pull`: prints the differences between the definitions and a project. Changes neither.
 *
 * @throws UsageError if the definitions cannot be loaded, or a setting is missing
 */
export async function pullEvents({ values, lists, switches }: Flags, terminal: Terminal): Promise<number> {
  const settings = await readSettings(values);
  const definitions = await loadDefinitions(lists.get('from') ?? []);
  warnOfNotes(definitions.map(describeEvent), terminal);
  return withProject('pull', terminal, async () => {
    const project = await readProject(new ProjectApi(settings, terminal.signal));
    const differences = compareWithProject(definitions.map(wantedEvent), project);
    const count = countOfDifferences(differences);
    terminal.out(
      count === 0
        ? `The code and the project have the same definitions: ${countOf(definitions)}.\n`
        : `${linesOf(differences).map(printable).join('\n')}\n${count} difference${count === 1 ? '' : 's'}.\n`,
    );
    return count > 0 && switches.has('check') ? EXIT.failed : EXIT.ok;
  });
}

function linesOf({ missingInProject, missingInCode, different }: Differences): string[] {
  const section = (title: string, lines: readonly string[]): string[] =>
    lines.length === 0 ? [] : [`${title}:`, ...lines.map((line) => `  ${line}`)];
  return [
    ...section('Missing in the project', missingInProject),
    ...section('Missing in the code', missingInCode),
    ...section(
      'Different',
      different.flatMap(({ event, properties }) => [event, ...properties.map((property) => `  ${property}`)]),
    ),
  ];
}

/** Runs requests to a project. A failure is one line on standard error. */
export async function withProject(action: string, terminal: Terminal, run: () => Promise<number>): Promise<number> {
  try {
    return await run();
  } catch (error) {
    if (terminal.signal.aborted) return EXIT.interrupted;
    if (!(error instanceof ProjectError)) throw error;
    terminal.err(`posthog-capture events ${action}: ${printable(error.message)}.\n`);
    return EXIT.failed;
  }
}
