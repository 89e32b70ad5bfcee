import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { type CaptureEvent } from 'nestjs-posthog-capture';
import { type OutboxDialect, PostHogOutboxError } from 'nestjs-posthog-capture/outbox';
import { closeAll, expectBalanced } from '../support/harness.js';
import { FakeTransaction, type OutboxHarness, startOutbox } from '../support/outbox.js';

/** A client of a database, connected. */
export interface Client {
  /** Opens a transaction, as an application does. */
  readonly transaction: (work: (tx: object) => Promise<void>) => Promise<unknown>;
  /** What `outbox.transaction` takes. Absent if the client has no function that opens a transaction. */
  readonly db?: object;
  /** Handles that are in no transaction. */
  readonly outside: readonly object[];
  readonly close: () => Promise<unknown>;
}

/** A row of the outbox. */
export interface OutboxRow {
  readonly name: string;
  readonly uuid: string;
  readonly order_key: string;
  readonly payload: string;
  readonly captured_at: number | string;
}

export interface Database {
  readonly dialect: OutboxDialect;
  /** All rows, in the order of their numbers. */
  readonly rows: () => Promise<OutboxRow[]>;
  readonly clear: () => Promise<unknown>;
}

/** Characters that mean something in SQL, in templates of clients, or to their parsers. */
const AWKWARD = `\0 🎉 é ? ?? \\? $1 $$ :name ::text @p0 %s {} {{x}} ' '' " \` \\ \\' \n\r\t; -- /* \ud800 <?>`;
const ONE_MIB = 1024 * 1024;
const EVENTS: CaptureEvent[] = [
  { event: 'order_placed', distinctId: 'user_1', properties: { total: 42 } },
  { event: `awkward ${AWKWARD}`, distinctId: `user ${AWKWARD}`, properties: { [AWKWARD]: AWKWARD } },
  { event: 'large', distinctId: 'user_1', properties: { text: 'é?'.repeat(ONE_MIB / 3) } },
].map((event, index) => ({
  ...event,
  uuid: `0190b5c7-6a2e-7cc3-9f5e-4d2a1b3c5d6${index}`,
  timestamp: '2026-01-31T12:00:00.000Z',
}));

const OPTIONS = { maxEventBytes: 2 * ONE_MIB };

/** What each client must do, at a real database. */
export function outboxContract(title: string, database: () => Database, connect: () => Client | Promise<Client>): void {
  describe(title, () => {
    let client: Client;
    let harness: OutboxHarness;
    beforeAll(async () => {
      client = await connect();
      harness = await startOutbox({ dialect: database().dialect }, OPTIONS);
    });
    beforeEach(() => database().clear());
    afterAll(async () => {
      await client.close();
      await closeAll();
    });

    it('commits exactly the events of the transaction, whatever is in them', async () => {
      const { outbox, capture } = harness;
      const reference = new FakeTransaction();
      await outbox.run(reference.run, () => EVENTS.forEach((event) => capture.capture(event)));
      await client.transaction(async (tx) => {
        await outbox.run(tx, async () => {
          for (const event of EVENTS) {
            capture.capture(event);
            await Promise.resolve();
          }
        });
      });
      const rows = await database().rows();
      const written = rows.map(({ uuid, name, order_key: key, payload }) => [uuid, name, key, payload]);
      expect(written).toEqual(
        reference.statements[0]?.rows.map(([, uuid, name, key, , payload]) => [uuid, name, key, payload]),
      );
      for (const { captured_at: at } of rows) expect(Math.abs(Date.now() - Number(at))).toBeLessThan(3_600_000);
      expectBalanced(capture);
    });

    it('has no row if the transaction is rolled back, before or after the events were written', async () => {
      const { outbox, capture } = harness;
      const before = client.transaction((tx) =>
        outbox.run(tx, () => {
          capture.capture({ event: 'undone', distinctId: 'a' });
          throw new Error('before');
        }),
      );
      await expect(before).rejects.toThrow('before');
      const after = client.transaction(async (tx) => {
        await outbox.run(tx, () => void capture.capture({ event: 'undone', distinctId: 'a' }));
        throw new Error('after');
      });
      await expect(after).rejects.toThrow('after');
      expect(await database().rows()).toEqual([]);
    });

    it('rejects if the table is missing, so that the transaction is rolled back', async () => {
      const { dialect } = database();
      const { outbox, capture, drops } = await startOutbox({ dialect, table: 'no_such_table' }, OPTIONS);
      const failed = client.transaction(async (tx) => {
        await harness.outbox.run(tx, () => void harness.capture.capture({ event: 'undone', distinctId: 'a' }));
        await outbox.run(tx, () => void capture.capture({ event: 'lost', distinctId: 'a' }));
      });
      const error = (await failed.then(
        () => undefined,
        (reason: unknown) => reason,
      )) as PostHogOutboxError;
      expect(error).toBeInstanceOf(PostHogOutboxError);
      expect(error.message).toContain(`posthog-capture outbox-sql --dialect ${dialect} --table no_such_table prints`);
      expect(error.cause).toBeInstanceOf(Error);
      expect(drops).toMatchObject([{ reason: 'rolled_back', event: 'lost' }]);
      expect(await database().rows()).toEqual([]);
    });

    it('refuses what is not in a transaction', async () => {
      for (const handle of client.outside) {
        const refused = harness.outbox.run(handle, () => expect('called').toBe('never'));
        await expect(refused).rejects.toThrow(/^outbox: .* is not in a transaction. Remedy: (?:pass|call) /);
      }
    });

    it('opens the transaction itself', async () => {
      const { db } = client;
      if (db === undefined) return;
      const { outbox, capture } = harness;
      const { delivered, dropped } = capture.stats();
      const result = await outbox.transaction(db, async (tx) => {
        // Part of it.
        await outbox.run(tx, () => void capture.capture({ event: 'kept', distinctId: 'a' }));
        expect(await database().rows()).toEqual([]);
        return 'committed';
      });
      expect(result).toBe('committed');
      const failed = outbox.transaction(db, async () => {
        capture.capture({ event: 'undone', distinctId: 'a' });
        await Promise.reject(new Error('failed'));
      });
      await expect(failed).rejects.toThrow('failed');
      expect((await database().rows()).map(({ name }) => name)).toEqual(['kept']);
      expect(capture.stats()).toMatchObject({ delivered: delivered + 1, dropped: dropped + 1, pending: 0 });
    });
  });
}
