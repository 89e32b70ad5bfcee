/**
 * The transactional outbox: events that are written in the transaction of the data that they are about.
 *
 * @module nestjs-posthog-capture/outbox
 */
export { PostHogOutboxModule } from './outbox.module.js';
export {
  type PostHogOutboxModuleAsyncOptions,
  type PostHogOutboxModuleExtras,
  type PostHogOutboxOptionsFactory,
} from './outbox.module-definition.js';
export { type PostHogOutboxModuleOptions } from './outbox.options.js';
export { CaptureOutbox } from './capture-outbox.js';
export { getOutboxToken, InjectOutbox } from './outbox-token.js';
export { PostHogOutboxError } from './outbox-error.js';
export { type OutboxTransaction, type RunInTransaction, type TransactionOf } from './transaction-of.js';
export { sqlOutbox, type SqlOutboxOptions } from './sql-outbox.js';
export { OUTBOX_SQL, type OutboxDialect, outboxSql, type OutboxSql } from './sql.js';
export { type RelaySource } from '../queue/capture-queue.js';
