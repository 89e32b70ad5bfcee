import { PostHogConfigurationError } from '../shared/configuration-error.js';
import { didYouMean } from '../shared/did-you-mean.js';
import { type QueueSample, type QueueSource, type RelaySource } from '../queue/capture-queue.js';
import { FORMAT_NAMES } from '../wire/formats.js';
import { type DatabaseProblem, describeDatabaseError } from './database-errors.js';
import { type Database, databaseOf } from './database.js';
import { OutboxSampler, type OwnState } from './outbox-sampler.js';
import { OutboxSource } from './outbox-source.js';
import { RelayStatements } from './relay-statements.js';
import { dialectProblems, type OutboxDialect, outboxTables, type OutboxTables, tableProblems } from './sql.js';

/** Options of `sqlOutbox`. */
export interface SqlOutboxOptions {
  /**
   * Client of the database, which must be the primary: a `DataSource` of TypeORM, a `PrismaClient`, a `Pool` of pg or mysql2, the client of
   * Drizzle, Knex, Kysely, MikroORM (`MikroORM` or its `EntityManager`), Sequelize, postgres.js or better-sqlite3; or a function
   * `(sql) => rows`. Used outside of transactions, and never closed.
   */
  readonly run: object;
  /** The SQL of the database; `mysql` also for MariaDB. */
  readonly dialect: OutboxDialect;
  /** Name of the table, or `schema.table`. Default: `posthog_outbox`. */
  readonly table?: string;
}

const FIELDS = ['run', 'dialect', 'table'];
const EXPECTED_CLIENT =
  'expected a DataSource of TypeORM, a PrismaClient, a Pool of pg or mysql2, or the client of another library ' +
  '(Drizzle, Knex, Kysely, MikroORM, Sequelize, postgres.js, better-sqlite3), or a function (sql) => rows';

/**
 * The outbox as `source` of a relay: it takes the events that were committed with the transactions of the application, and deletes them
 * once PostHog has accepted them. Any number of relays may run. One of them is active, and another takes over when it ends.
 *
 * @throws PostHogConfigurationError if an option is invalid
 */
export function sqlOutbox(options: SqlOutboxOptions): RelaySource {
  const given = Object(options) as SqlOutboxOptions;
  const { run, dialect, table, ...unknown } = given;
  const database = databaseOf(run, dialect);
  const problems = Object.keys(unknown).map((field) => {
    const meant = didYouMean(field, FIELDS);
    return `${JSON.stringify(field)} is not an option${meant === undefined ? '' : `: did you mean ${meant}?`}`;
  });
  if (!database) problems.push(`run: ${EXPECTED_CLIENT}`);
  problems.push(...dialectProblems(dialect), ...(table === undefined ? [] : tableProblems(table)));
  if (problems.length > 0 || !database)
    throw new PostHogConfigurationError(problems.map((problem) => `outbox: ${problem}`));
  return new SqlOutbox(database, outboxTables(dialect, table));
}

class SqlOutbox implements RelaySource {
  readonly kind = 'outbox';
  readonly #database: Database;
  readonly #tables: OutboxTables;
  readonly #samplers = new Map<string, OutboxSampler>();
  readonly #sources = new Set<OutboxSource>();

  constructor(database: Database, tables: OutboxTables) {
    this.#database = database;
    this.#tables = tables;
  }

  source(): QueueSource {
    const source = new OutboxSource({
      database: this.#database,
      statementsOf: (project) => this.#statementsOf(project),
      onClosed: () => this.#sources.delete(source),
    });
    this.#sources.add(source);
    return source;
  }

  sample(project: string): Promise<QueueSample> {
    let sampler = this.#samplers.get(project);
    if (!sampler) {
      sampler = new OutboxSampler(this.#database, this.#statementsOf(project));
      this.#samplers.set(project, sampler);
    }
    // After the shutdown, the application has closed its database.
    if (this.#sources.size === 0) return Promise.resolve(sampler.last);
    return sampler.sample(() => this.#ownState(project));
  }

  #ownState(project: string): OwnState {
    const sources = [...this.#sources].filter((source) => source.project === project);
    return {
      isActive: sources.some(({ isActive }) => isActive),
      failure: sources.find(({ failure }) => failure !== null)?.failure ?? null,
      damage: sources.find(({ damage }) => damage !== null)?.damage ?? null,
    };
  }

  async check(): Promise<void> {
    for (const statement of this.#statementsOf('check').checks) {
      const problem = await this.#database.read(statement).then(
        (): DatabaseProblem | null => null,
        (error: unknown) => describeDatabaseError(error, this.#tables),
      );
      if (problem?.kind === 'missing' || problem?.kind === 'dialect')
        throw new PostHogConfigurationError([`outbox: ${problem.message}: ${problem.remedy}`]);
      // A database that is down: the relay starts, and waits for it.
      if (problem) return;
    }
  }

  #statementsOf(project: string): RelayStatements {
    return new RelayStatements(this.#tables, project, FORMAT_NAMES);
  }
}
