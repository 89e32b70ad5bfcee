import { describeDatabaseError } from './database-errors.js';
import { type OutboxTables } from './sql.js';

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
export function insertFailed(cause: unknown, tables: OutboxTables): PostHogOutboxError {
  const { message, code, inserting } = describeDatabaseError(cause, tables);
  return new PostHogOutboxError(
    `The events of the transaction could not be written to ${tables.events}, so it must be rolled back. ${message}. Remedy: ${inserting}.`,
    { cause, ...(code !== '' && { code }) },
  );
}
