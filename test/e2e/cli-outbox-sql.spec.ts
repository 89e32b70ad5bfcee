import { expect, it } from '@jest/globals';
import { OUTBOX_SQL } from 'nestjs-posthog-capture/outbox';
import { runCli } from '../../lib/cli/cli.js';
import { ScriptedTerminal } from '../support/scripted-terminal.js';

async function run(...flags: string[]): Promise<{ code: number; terminal: ScriptedTerminal }> {
  const terminal = new ScriptedTerminal();
  return { code: await runCli(['outbox-sql', ...flags], terminal), terminal };
}

it.each(['postgres', 'mysql', 'sqlite'] as const)(
  'prints the statements of %s, as the constants have them',
  async (dialect) => {
    const up = await run('--dialect', dialect);
    expect(up.code).toBe(0);
    expect(up.terminal.stdout).toBe(OUTBOX_SQL[dialect].up.map((statement) => `${statement};\n`).join('\n'));
    const down = await run('--dialect', dialect, '--down');
    expect(down.terminal.stdout).toBe(OUTBOX_SQL[dialect].down.map((statement) => `${statement};\n`).join('\n'));
  },
);

it('takes the name of the table', async () => {
  const { terminal } = await run('--dialect', 'mysql', '--table', 'crm.Events_2');
  expect(terminal.stdout).toContain('CREATE TABLE `crm`.`Events_2` (');
  expect(terminal.stdout).toContain('CREATE TABLE `crm`.`Events_2_relay` (');
});

it.each<[string, string[], string]>([
  ['without a dialect', [], '--dialect is missing: postgres, mysql, sqlite'],
  ['with another dialect', ['--dialect', 'oracle'], '--dialect: expected "postgres", "mysql", "sqlite"'],
  [
    'with a wrong table',
    ['--dialect', 'postgres', '--table', 'a-b'],
    '--table: expected the name of a table, or schema.table',
  ],
  ['with a long table', ['--dialect', 'postgres', '--table', 'x'.repeat(60)], '--table: expected the name of a table'],
])('%s it explains the mistake and returns 2', async (_what, flags, problem) => {
  const { code, terminal } = await run(...flags);
  expect(code).toBe(2);
  expect(terminal.stderr).toContain(`posthog-capture outbox-sql: ${problem}`);
  expect(terminal.stdout).toBe('');
});
