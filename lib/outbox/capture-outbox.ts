import { type OnModuleInit } from '@nestjs/common';
import { CaptureService } from '../capture/capture.service.js';
import { type DeliveryAccess, deliveryAccessOf } from '../capture/wrap-delivery.js';
import { type QueuedEvent } from '../delivery/delivery.js';
import { aiProjectOf } from '../queue/capture-queue.js';
import { PostHogConfigurationError } from '../shared/configuration-error.js';
import { processClass } from '../shared/process-singleton.js';
import { isAiEvent } from '../wire/formats.js';
import { beginWith, has, type SqlClient } from './clients/client-shape.js';
import { sqlClientOf, transactionOf } from './clients/sql-client.js';
import { type CollectionTarget } from './collection.js';
import { type Collected, OutboxDelivery } from './outbox-delivery.js';
import { insertFailed, PostHogOutboxError } from './outbox-error.js';
import { insertOf, type OutboxTables, type Statement } from './sql.js';
import { type OutboxTransaction, type TransactionOf } from './transaction-of.js';

const UNKNOWN =
  'is no transaction of a database client that is known: TypeORM, Prisma, Drizzle, Knex, Kysely, MikroORM, Sequelize, pg, postgres.js, ' +
  'mysql2, better-sqlite3. Remedy: pass a function (sql, values) => … that runs a statement in your transaction';

type Begin = NonNullable<SqlClient['begin']>;

const ENDED =
  'outbox: the transaction ended before the function did, so its events could not be written. Remedy: await outbox.run() in the ' +
  'transaction, and in transactions of better-sqlite3 use outbox.runSync().';

/** @internal */
export interface CaptureOutboxParts {
  readonly tables: OutboxTables;
  readonly name: string | undefined;
  /** Throws if there is no such instance. */
  readonly capture: () => CaptureService;
}

class CaptureOutboxClass implements OnModuleInit {
  readonly #parts: CaptureOutboxParts;
  #access: DeliveryAccess | undefined;
  /** null if the instance is disabled. */
  #delivery: OutboxDelivery | null = null;

  /** @internal */
  constructor(parts: CaptureOutboxParts) {
    this.#parts = parts;
  }

  /**
   * Runs `fn`, and writes the events that are captured in it with one INSERT into the outbox, in the transaction `tx`. `capture()` and
   * `@TrackEvent` are used as elsewhere, also in functions that `fn` calls and awaits. Events captured by `captureNow` are sent at once, and
   * are no part of the transaction. In a `run` with the same transaction, it is part of that one.
   *
   * @param tx an open transaction
   * @returns the result of `fn`
   * @throws PostHogOutboxError if `tx` is not in a transaction, or if the events cannot be written: the transaction must then be rolled back,
   * as clients do if the promise rejects. Errors of `fn` are not changed; its events are dropped as `rolled_back`.
   */
  async run<T>(tx: OutboxTransaction, fn: () => T | Promise<T>): Promise<T> {
    requireFunction(fn, 'run');
    if (!this.#delivery) return fn();
    const { result, settle } = await this.#delivery.collect(this.#targetOf(tx), fn);
    settle(null);
    return result;
  }

  /**
   * `run` for transactions of better-sqlite3, libsql and node:sqlite, and of Drizzle with them, whose functions are synchronous.
   *
   * @throws PostHogOutboxError as `run`, and if the database client or `fn` is asynchronous
   */
  runSync<T>(tx: OutboxTransaction, fn: () => T): T {
    requireFunction(fn, 'runSync');
    if (!this.#delivery) return fn();
    const target = this.#targetOf(tx);
    if (target.write && !target.writeNow)
      throw new PostHogOutboxError('outbox.runSync: the database client is asynchronous. Remedy: use outbox.run.');
    return this.#delivery.collectNow(target, () => requireValue(fn()));
  }

  /**
   * Opens a transaction and runs `fn` in it as `run` does. Unlike with `run`, a COMMIT that fails is seen: the events are counted as
   * `rolled_back` then, and not as delivered.
   *
   * ```ts
   * await this.outbox.transaction(this.dataSource, async (manager) => {
   *   await manager.save(order);
   *   this.capture.capture({ event: 'order_placed', distinctId: order.userId });
   * });
   * ```
   *
   * @param db the client of the database, or a function that opens a transaction, such as
   * `(work) => prisma.$transaction(work, { timeout: 10_000 })`
   * @param fn called with the transaction
   * @throws PostHogOutboxError if `db` cannot open a transaction, or if the events cannot be written. Errors of `fn` and of the database are
   * not changed.
   */
  async transaction<Client extends object, T, Tx = TransactionOf<Client>>(
    db: Client,
    fn: (tx: Tx) => Promise<T>,
  ): Promise<T> {
    requireFunction(fn, 'transaction');
    const begin = this.#beginOf(db);
    const attempt: { settle: Collected<T>['settle'] | null } = { settle: null };
    const end = (problem: string | null): void => {
      attempt.settle?.(problem);
      attempt.settle = null;
    };
    try {
      const result = await begin(async (tx) => {
        // Some clients run the function again if the database asks for it.
        end('its transaction was repeated');
        if (!this.#delivery) return fn(tx as Tx);
        const collected = await this.#delivery.collect(this.#targetOf(tx), () => fn(tx as Tx));
        attempt.settle = collected.settle;
        return collected.result;
      });
      end(null);
      return result;
    } catch (error) {
      end('its transaction could not be committed');
      throw error;
    }
  }

  /**
   * Keeps the events that are captured in `fn` in memory until it ends: then they are sent as other events are, or dropped as `rolled_back`
   * if `fn` fails. Needs no table, but the events are lost if the process ends before they are sent. `fn` must open the transaction and
   * commit it. In another function of the outbox, it is part of that.
   *
   * ```ts
   * await this.outbox.afterCommit(() => this.dataSource.transaction((manager) => this.place(manager, order)));
   * ```
   *
   * @returns the result of `fn`, whose errors are not changed
   */
  async afterCommit<T>(fn: () => T | Promise<T>): Promise<T> {
    requireFunction(fn, 'afterCommit');
    if (!this.#delivery || this.#delivery.isCollecting) return fn();
    const { result, settle } = await this.#delivery.collect({ transaction: {} }, fn);
    settle(null);
    return result;
  }

  /** Called by Nest. */
  onModuleInit(): void {
    const capture = this.#parts.capture();
    const access = deliveryAccessOf(capture);
    this.#access = access;
    if (!access && capture instanceof CaptureService)
      throw new PostHogConfigurationError(
        [
          'PostHogOutboxModule: the instance is a relay, which captures no events: set name to that of the instance that does',
        ],
        this.#parts.name,
      );
    access?.wrap(
      (delivery, reporter) => (this.#delivery = new OutboxDelivery(delivery, reporter, access.shutdownTimeoutMs)),
    );
  }

  #targetOf(tx: OutboxTransaction): CollectionTarget {
    const project = this.#access?.project;
    const client = sqlClientOf(tx, this.#parts.tables.dialect);
    if (client && client.transaction === null)
      throw new PostHogOutboxError(`outbox: ${client.name} is not in a transaction. Remedy: ${client.remedy}.`);
    // In a test that records events, the transaction may be a stand-in, and there is no table.
    if (project === undefined) return { transaction: client?.transaction ?? (Object(tx) as object) };
    if (!client) throw new PostHogOutboxError(`outbox: the first argument ${UNKNOWN}.`);
    return this.#tableOf(tx, client, project);
  }

  #tableOf(tx: OutboxTransaction, client: SqlClient, project: string): CollectionTarget {
    const { tables } = this.#parts;
    const { transaction, writeNow, queues } = client;
    const projectOf = (event: QueuedEvent): string => (isAiEvent(event) ? aiProjectOf(project) : project);
    const statementOf = (events: readonly QueuedEvent[]): Statement => {
      if (transactionOf(tx, tables.dialect) !== transaction) throw new PostHogOutboxError(ENDED);
      return insertOf(tables, projectOf, events);
    };
    return {
      transaction: transaction ?? client,
      writesEarly: queues,
      write: async (events) => {
        const statement = statementOf(events);
        try {
          await client.write(statement);
        } catch (error) {
          throw insertFailed(error, tables);
        }
      },
      ...(writeNow && {
        writeNow: (events: readonly QueuedEvent[]): void => {
          const statement = statementOf(events);
          try {
            writeNow(statement);
          } catch (error) {
            throw insertFailed(error, tables);
          }
        },
      }),
    };
  }

  #beginOf(db: object): Begin {
    const client = sqlClientOf(db, this.#parts.tables.dialect);
    if (client?.begin) return client.begin;
    // A function that opens a transaction.
    if (typeof db === 'function')
      return <T>(work: (tx: object) => Promise<T>) => (db as (given: typeof work) => Promise<T>)(work);
    if (client) {
      const remedy = client.writeNow
        ? client.remedy
        : 'pass the client itself, or a function (work) => … that opens a transaction';
      throw new PostHogOutboxError(
        `outbox.transaction: this object of ${client.name} cannot open one. Remedy: ${remedy}.`,
      );
    }
    // A test's stand-in for a client.
    if (this.#access?.project === undefined)
      return beginWith(db, has(db, '$transaction') ? '$transaction' : 'transaction');
    throw new PostHogOutboxError(`outbox.transaction: the first argument ${UNKNOWN}.`);
  }
}

function requireFunction(fn: unknown, method: string): void {
  if (typeof fn !== 'function')
    throw new PostHogOutboxError(`outbox.${method}: the last argument must be a function that captures events.`);
}

function requireValue<T>(result: T): T {
  if (typeof result === 'object' && result !== null && has(result, 'then'))
    throw new PostHogOutboxError('outbox.runSync: the function returned a promise. Remedy: use outbox.run.');
  return result;
}

/**
 * Writes events into a table in the transaction of the data that they are about, so that they exist exactly if the data does. A relay
 * sends them. Inject it, or that of a named instance with `@InjectOutbox(name)`.
 *
 * @class
 */
export const CaptureOutbox = processClass('CaptureOutbox', CaptureOutboxClass);
export interface CaptureOutbox extends CaptureOutboxClass {}
