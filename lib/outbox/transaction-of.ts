/** A function that runs a statement in a transaction. Values are in the order of their places: `$1` with PostgreSQL, `?` with others. */
export type RunInTransaction = (sql: string, values: readonly (string | number)[]) => Promise<unknown>;

/**
 * An open transaction of TypeORM (`EntityManager` or `QueryRunner`), Prisma, Drizzle, Knex, Kysely, MikroORM (`EntityManager`), Sequelize,
 * pg (`Client`), postgres.js, mysql2 (`Connection`), better-sqlite3, or @nestjs-cls/transactional (`TransactionHost`); or a function that
 * runs a statement in one.
 */
export type OutboxTransaction = object | RunInTransaction;

/** What a database client passes to the function that it runs in a transaction; `object` if its types do not tell. */
export type TransactionOf<Client> =
  // @nestjs-cls/transactional
  Client extends { withTransaction: unknown; tx: infer Tx }
    ? Tx
    : // DataSource of TypeORM
      Client extends { createQueryRunner: unknown; manager: infer Tx }
      ? Tx
      : // EntityManager of TypeORM and of MikroORM
        Client extends { queryRunner?: unknown; getRepository: unknown } | { transactional: unknown; fork: unknown }
        ? Client
        : Client extends { em: infer Tx }
          ? Tx
          : Client extends {
                /** Prisma. */
                $transaction(work: (tx: infer Tx) => Promise<never>, options?: never): unknown;
              }
            ? Tx
            : Client extends {
                  /** Kysely. */
                  transaction(): {
                    /** Kysely. */
                    execute(work: (tx: infer Tx) => Promise<never>): unknown;
                  };
                }
              ? Tx
              : Client extends {
                    getQueryInterface: unknown;
                    /** Sequelize. */
                    transaction(options?: never): Promise<infer Tx>;
                  }
                ? Tx
                : Client extends {
                      /** Drizzle and Knex. */
                      transaction(work: (tx: infer Tx) => Promise<never>, options?: never): unknown;
                    }
                  ? Tx
                  : Client extends {
                        /** postgres.js. */
                        begin(options: string, work: (tx: infer Tx) => Promise<never>): unknown;
                      }
                    ? Tx
                    : Client extends {
                          /** A pool of mysql2 with promises. */
                          getConnection(): Promise<infer Tx>;
                        }
                      ? Tx
                      : Client extends (work: (tx: infer Tx) => Promise<never>) => unknown
                        ? Tx
                        : object;
