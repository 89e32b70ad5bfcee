import { describeEvent } from '../../events/describe-event.js';
import { type Flags } from '../flags.js';
import { EXIT, printable, type Terminal } from '../terminal.js';
import { warnOfNotes } from './list.command.js';
import { loadDefinitions } from './load-definitions.js';
import { ProjectApi, readSettings } from './project-api.js';
import { readProject } from './project-state.js';
import { withProject } from './pull.command.js';
import { pushEvent } from './push-event.js';
import { wantedEvent, type WantedEvent } from './wanted-events.js';

/**
 * `posthog-capture events push`: makes the events of a project like their definitions. Changes only the definitions of these events and the
 * groups named after them.
 *
 * @throws UsageError if the definitions cannot be loaded, or a setting is missing
 */
export async function pushEvents({ values, lists, switches }: Flags, terminal: Terminal): Promise<number> {
  const settings = await readSettings(values);
  const definitions = await loadDefinitions(lists.get('from') ?? []);
  warnOfNotes(definitions.map(describeEvent), terminal);
  const wanted = definitions.map(wantedEvent);
  const warn = (line: string): void => terminal.err(`posthog-capture events push: ${printable(line)}.\n`);
  warnOfUntyped(wanted, warn);
  const dryRun = switches.has('dry-run');
  const done = { changes: 0, failures: 0, all: false };
  const code = await withProject('push', terminal, async () => {
    const api = new ProjectApi(settings, terminal.signal);
    const project = await readProject(api);
    for (const event of wanted) {
      await pushEvent(api, event, project, {
        dryRun,
        enforce: switches.has('enforce'),
        changed: (line) => {
          done.changes++;
          terminal.out(`${dryRun ? 'would ' : ''}${printable(line)}\n`);
        },
        failed: (line) => {
          done.failures++;
          warn(line);
        },
      });
    }
    done.all = true;
    terminal.out(summaryOf(done.changes, dryRun));
    return done.failures > 0 ? EXIT.failed : EXIT.ok;
  });
  if (!done.all && done.changes > 0 && !dryRun) {
    warn(`${countOfChanges(done.changes)} made before. Run push again for the others`);
  }
  return code;
}

function warnOfUntyped(events: readonly WantedEvent[], warn: (line: string) => void): void {
  for (const { name, untyped } of events) {
    if (untyped.length > 0) warn(`warning: ${name}: left out, as PostHog has no type for them: ${untyped.join(', ')}`);
  }
}

function summaryOf(changes: number, dryRun: boolean): string {
  if (changes === 0) return 'Nothing to change.\n';
  return dryRun ? `Dry run: ${countOfChanges(changes)} to make.\n` : `${countOfChanges(changes)} made.\n`;
}

const countOfChanges = (changes: number): string => `${changes} change${changes === 1 ? '' : 's'}`;
