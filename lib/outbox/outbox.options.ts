import { PostHogConfigurationError } from '../shared/configuration-error.js';
import { didYouMean } from '../shared/did-you-mean.js';
import { isObject } from '../shared/untrusted-values.js';
import { dialectProblems, type OutboxDialect, outboxTables, type OutboxTables, tableProblems } from './sql.js';

/** Options of PostHogOutboxModule. */
export interface PostHogOutboxModuleOptions {
  /** The SQL of the database; `mysql` is also that of MariaDB. Required. */
  dialect: OutboxDialect;
  /**
   * Name of the table, or `schema.table`, that the statements of `posthog-capture outbox-sql` have created. That of the relay has the same name
   * with the suffix `_relay`. Default: `posthog_outbox`.
   */
  table?: string | undefined;
}

const FIELDS = ['dialect', 'table'];

/** @throws PostHogConfigurationError listing every problem */
export function resolveOutboxOptions(explicit: unknown, name: string | undefined): OutboxTables {
  const given = isObject(explicit) ? explicit : {};
  const { dialect, table } = given;
  const problems = Object.keys(given)
    .filter((field) => !FIELDS.includes(field))
    .map((field) => {
      const meant = didYouMean(field, FIELDS);
      return `${JSON.stringify(field)} is not an option${meant === undefined ? '' : `: did you mean ${meant}?`}`;
    });
  problems.push(...dialectProblems(dialect), ...(table === undefined ? [] : tableProblems(table)));
  if (problems.length > 0)
    throw new PostHogConfigurationError(
      problems.map((problem) => `outbox: ${problem}`),
      name,
    );
  return outboxTables(dialect as OutboxDialect, table as string | undefined);
}
