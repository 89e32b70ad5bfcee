import { describeDatabaseError } from './database-errors.js';
import { type OutboxTables } from './sql.js';

/**
 * The outbox was called without a transaction, or events could not be written, so that the transaction must be rolled back. `cause` is the
 * error of the database client, which may quote the events.
 */
export class PostHogOutboxError extends Error {
  override readonly name = 'PostHogOutboxError';
}

/** The error of an insert that failed. */
export function insertFailed(cause: unknown, { dialect, events: table }: OutboxTables): PostHogOutboxError {
  const { kind, message } = describeDatabaseError(cause);
  const remedy =
    kind === 'missing'
      ? `create the table with the statements that posthog-capture outbox-sql --dialect ${dialect} prints`
      : 'see the cause of this error';
  return new PostHogOutboxError(
    `The events of the transaction could not be written to ${table}, so it must be rolled back. ${message}. Remedy: ${remedy}.`,
    { cause },
  );
}
