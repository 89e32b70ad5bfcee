import { DIALECTS, dialectProblems, type OutboxDialect, outboxSql, tableProblems } from '../outbox/sql.js';
import { type Flags } from './flags.js';
import { EXIT, type Terminal, UsageError } from './terminal.js';

/**
 * `posthog-capture outbox-sql`: prints the statements of a migration.
 *
 * @throws UsageError if a flag is missing or invalid
 */
export function printOutboxSql({ values, switches }: Flags, terminal: Terminal): Promise<number> {
  const dialect = values.get('dialect');
  if (dialect === undefined) throw new UsageError(`--dialect is missing: ${DIALECTS.join(', ')}`);
  const table = values.get('table');
  const [problem] = [...dialectProblems(dialect), ...(table === undefined ? [] : tableProblems(table))];
  if (problem !== undefined) throw new UsageError(`--${problem}`);
  const { up, down } = outboxSql(dialect as OutboxDialect, table);
  terminal.out((switches.has('down') ? down : up).map((statement) => `${statement};\n`).join('\n'));
  return Promise.resolve(EXIT.ok);
}
