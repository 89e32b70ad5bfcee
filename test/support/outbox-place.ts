import { databaseOf } from '../../lib/outbox/database.js';
import { OutboxSource } from '../../lib/outbox/outbox-source.js';
import { type LeaseTimes } from '../../lib/outbox/relay-lease.js';
import { RelayStatements } from '../../lib/outbox/relay-statements.js';
import { type OutboxDialect, outboxTables } from '../../lib/outbox/sql.js';
import { type EventPlace } from '../stores/recovery-contract.js';
import { FreezableDatabases } from './freezable-database.js';
import { OutboxRows } from './outbox-rows.js';

/** A relay that finds out quickly that it has lost its lease. */
const TIMES: LeaseTimes = { leaseMs: 60_000, renewMs: 200 };
const FORMATS = ['v0', 'v1'];

const LONG_AGO: Readonly<Record<OutboxDialect, string>> = {
  postgres: "'2020-01-01'",
  mysql: "'2020-01-01'",
  sqlite: '0',
};

export interface OutboxPlace extends EventPlace {
  readonly rows: OutboxRows;
  source(): OutboxSource;
  /** Makes the leases of all relays end, without their knowledge: their statements wait until the returned function is called. */
  expireClaims(): Promise<() => void>;
}

/** An outbox in tables of its own, in a database that `handle` is a client of. */
export async function outboxPlace(dialect: OutboxDialect, handle: object): Promise<OutboxPlace> {
  const rows = new OutboxRows(dialect, handle);
  const tables = outboxTables(dialect);
  const databases = new FreezableDatabases();
  await rows.create();
  return {
    rows,
    put: (project, events) => rows.put(project, events),
    source: () => {
      const database = databaseOf(handle, dialect);
      if (!database) throw new Error('no client of a database');
      const statementsOf = (project: string): RelayStatements => new RelayStatements(tables, project, FORMATS);
      return new OutboxSource({ database: databases.wrap(database), statementsOf, times: TIMES });
    },
    expireClaims: async () => {
      const thaw = databases.freeze();
      await rows.run(`UPDATE ${tables.relay} SET until = ${LONG_AGO[dialect]}`);
      return thaw;
    },
    remove: () => rows.drop(),
  };
}
