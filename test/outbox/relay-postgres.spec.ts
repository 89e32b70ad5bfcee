import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type QueuedEvent } from 'nestjs-posthog-capture';
import type pg from 'pg';
import { sqlOutbox } from 'nestjs-posthog-capture/outbox';
import { outboxPlace } from '../support/outbox-place.js';
import { OutboxRows } from '../support/outbox-rows.js';
import {
  describeWithPgBouncer,
  describeWithPostgres,
  type PostgresServer,
  startPostgres,
} from '../support/postgres-server.js';
import { eventOf, idsOf, manyEvents } from '../support/stored-events.js';
import { until } from '../support/until.js';
import { describeRecovery } from '../stores/recovery-contract.js';
import { describeRelayCommand } from './relay-command.js';
import { describeOutboxSource, type TransactionalPlace } from './source-contract.js';

const EVERYTHING = { project: 'abc1', maxEvents: 100_000, maxBytes: 1_000_000_000 };

describeWithPostgres('the outbox in PostgreSQL', () => {
  let server: PostgresServer;
  let pool: pg.Pool;
  beforeAll(async () => {
    server = await startPostgres();
    pool = server.pool();
  });
  afterAll(() => server.stop());

  describeRecovery('from PostgreSQL', () => outboxPlace('postgres', pool));

  describeOutboxSource('PostgreSQL', async (): Promise<TransactionalPlace> => ({
    ...(await outboxPlace('postgres', pool)),
    begin: async () => {
      const client = await pool.connect();
      await client.query('BEGIN');
      const end = async (command: string): Promise<void> => {
        await client.query(command);
        client.release();
      };
      return { tx: client, commit: () => end('COMMIT'), rollback: () => end('ROLLBACK') };
    },
  }));

  describeRelayCommand('PostgreSQL', () => ({ dialect: 'postgres', pool, url: server.url }));

  describe('a user without permissions', () => {
    it('is told which are missing, in the sample, and nothing loops', async () => {
      const rows = new OutboxRows('postgres', pool);
      await rows.create();
      await pool.query('CREATE ROLE reader LOGIN; GRANT SELECT ON posthog_outbox, posthog_outbox_relay TO reader');
      const outbox = sqlOutbox({ run: server.pool({ user: 'reader' }), dialect: 'postgres' });
      await outbox.check?.();
      const source = outbox.source();
      await rows.put('abc1', manyEvents(2));
      const { events, warnings } = await source.recover(EVERYTHING);
      expect(events).toEqual([]);
      expect(warnings).toEqual([
        expect.stringMatching(/^The database user lacks a permission \(42501\): grant it SELECT/),
      ]);
      expect((await source.recover(EVERYTHING)).warnings).toEqual([]);
      expect(await outbox.sample('abc1')).toMatchObject({
        state: 'down',
        events: 2,
        relays: 0,
        problems: [{ severity: 'down', message: 'The database user lacks a permission (42501)' }],
      });
      await pool.query('GRANT INSERT, UPDATE, DELETE ON posthog_outbox, posthog_outbox_relay TO reader');
      expect((await source.recover(EVERYTHING)).events).toHaveLength(2);
      expect(await outbox.sample('abc1')).toMatchObject({ state: 'ok', relays: 1, partitionsHeld: 1, problems: [] });
      await source.close();
      await rows.drop();
    });

    it('is told why rows that cannot be read stay, also when there are so many that nothing is taken, and goes on after the grant', async () => {
      const rows = new OutboxRows('postgres', pool);
      await rows.create();
      await pool.query('CREATE ROLE remover LOGIN; GRANT ALL ON posthog_outbox_relay TO remover');
      await pool.query('GRANT SELECT, DELETE ON posthog_outbox TO remover');
      const outbox = sqlOutbox({ run: server.pool({ user: 'remover' }), dialect: 'postgres' });
      const source = outbox.source();
      const take = async (): Promise<{ ids: string[]; warnings: readonly string[] }> => {
        const { events, warnings } = await source.recover(EVERYTHING);
        return { ids: idsOf(events), warnings };
      };
      const kept =
        'The outbox contains rows that cannot be read, and the relay could not set them aside: The database user lacks a permission (42501)';
      await rows.put('abc1', [{ ...eventOf(0), payload: '[' }, eventOf(1)]);
      expect(await take()).toEqual({ ids: ['id_1'], warnings: [] });
      expect(await outbox.sample('abc1')).toMatchObject({
        state: 'ok',
        problems: [{ severity: 'degraded', message: kept, remedy: expect.stringMatching(/^grant it SELECT, UPDATE/) }],
      });
      await pool.query(
        'INSERT INTO posthog_outbox (project, uuid, name, order_key, format, payload, captured_at) ' +
          `SELECT 'abc1', n, 'n', 'k', 'v0', '[', 0 FROM generate_series(1, 21000) AS n`,
      );
      await rows.put('abc1', [eventOf(2)]);
      await until(async () => (await take()).ids.length === 0 && (await outbox.sample('abc1')).state === 'down');
      expect(await outbox.sample('abc1')).toMatchObject({
        problems: [{ severity: 'down', message: `${kept}. There are so many that it has stopped taking events` }],
      });
      await pool.query('GRANT UPDATE ON posthog_outbox TO remover');
      const taken: string[] = [];
      const warned: string[] = [];
      await until(async () => {
        const { ids, warnings } = await take();
        taken.push(...ids);
        warned.push(...warnings);
        return taken.length > 0;
      });
      expect(taken).toEqual(['id_2']);
      expect(warned).toEqual([expect.stringMatching(/^The outbox contained rows that cannot be read/)]);
      expect(await outbox.sample('abc1')).toMatchObject({ state: 'ok', problems: [{ severity: 'note' }] });
      await source.close();
      await rows.drop();
    });
  });

  describeWithPgBouncer('behind PgBouncer in transaction mode', () => {
    it('takes, renews, removes and hands over', async () => {
      const bounced = server.pool(await server.bouncer());
      const place = await outboxPlace('postgres', bounced);
      await place.put('abc1', manyEvents(300));
      const [source, standby] = [place.source(), place.source()];
      const events: QueuedEvent[] = [];
      while (events.length < 300) events.push(...(await source.recover(EVERYTHING)).events);
      expect(idsOf(events)).toEqual(idsOf(manyEvents(300)));
      expect((await standby.recover(EVERYTHING)).events).toEqual([]);
      source.remove(events.slice(0, 299));
      await until(async () => (await place.rows.ids()).length === 1);
      await source.close();
      expect(idsOf((await standby.recover(EVERYTHING)).events)).toEqual(['id_299']);
      await standby.close();
      await place.remove();
    });
  });
});
