import { describeDatabaseError } from './database-errors.js';
import { DEFAULT_TABLE, type OutboxTables } from './sql.js';

/**
 * The outbox was called without a transaction, or events could not be written, so that the transaction must be rolled back. `cause` is the
 * error of the database client, which may quote the events.
 */
export class PostHogOutboxError extends Error {
  override readonly name = 'PostHogOutboxError';
  /**
   * Code of the error of the database, such as `40001` for a serialization failure, after which the transaction may be repeated. undefined
   * if there is none.
   */
  readonly code: string | undefined;

  /** @internal */
  constructor(message: string, { code, ...options }: ErrorOptions & { code?: string } = {}) {
    super(message, options);
    this.code = code;
  }
}

/** The error of an insert that failed. */
export function insertFailed(cause: unknown, { dialect, events: table }: OutboxTables): PostHogOutboxError {
  const { kind, message, code, inserting = 'see the cause of this error' } = describeDatabaseError(cause);
  const remedy =
    kind === 'missing'
      ? `create the table with the statements that posthog-capture outbox-sql --dialect ${dialect}${tableFlag(table)} prints`
      : inserting;
  return new PostHogOutboxError(
    `The events of the transaction could not be written to ${table}, so it must be rolled back. ${message}. Remedy: ${remedy}.`,
    { cause, ...(code !== '' && { code }) },
  );
}

function tableFlag(quoted: string): string {
  const table = quoted.replaceAll(/["`]/g, '');
  return table === DEFAULT_TABLE ? '' : ` --table ${table}`;
}
