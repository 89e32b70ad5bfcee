import { afterAll, beforeAll } from '@jest/globals';
import type mysql from 'mysql2/promise';
import { describeWithMariaDb, type MariaDbServer, startMariaDb } from '../support/mariadb-server.js';
import { outboxPlace } from '../support/outbox-place.js';
import { describeRecovery } from '../stores/recovery-contract.js';
import { describeRelayCommand } from './relay-command.js';
import { describeOutboxSource, type TransactionalPlace } from './source-contract.js';

describeWithMariaDb('the outbox in MariaDB', () => {
  let server: MariaDbServer;
  let pool: mysql.Pool;
  beforeAll(async () => {
    server = await startMariaDb();
    pool = server.pool();
  });
  afterAll(() => server.stop());

  describeRecovery('from MariaDB', () => outboxPlace('mysql', pool));

  describeOutboxSource('MariaDB', async (): Promise<TransactionalPlace> => ({
    ...(await outboxPlace('mysql', pool)),
    begin: async () => {
      const connection = await pool.getConnection();
      await connection.beginTransaction();
      const end = async (ended: Promise<unknown>): Promise<void> => {
        await ended;
        connection.release();
      };
      return {
        tx: connection,
        commit: () => end(connection.commit()),
        rollback: () => end(connection.rollback()),
      };
    },
  }));

  describeRelayCommand('MariaDB', () => ({ dialect: 'mysql', pool, url: server.url }));
});
