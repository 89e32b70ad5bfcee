import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type QueuedEvent } from 'nestjs-posthog-capture';
import { type OutboxSource } from '../../lib/outbox/outbox-source.js';
import { type OutboxPlace } from '../support/outbox-place.js';
import { eventOf, idsOf, manyEvents } from '../support/stored-events.js';
import { until } from '../support/until.js';

const PROJECT = 'abc1';
const EVERYTHING = { project: PROJECT, maxEvents: 100_000, maxBytes: 1_000_000_000 };

/** A place in a database with several connections. */
export interface TransactionalPlace extends OutboxPlace {
  /** Opens a transaction on a connection of its own. */
  begin(): Promise<{ readonly tx: object; commit(): Promise<void>; rollback(): Promise<void> }>;
}

/** What is particular to the source of an outbox, at databases with concurrent transactions. */
export function describeOutboxSource(name: string, open: () => Promise<TransactionalPlace>): void {
  describe(`the source of an outbox: ${name}`, () => {
    let place: TransactionalPlace;
    const sources: OutboxSource[] = [];
    const warnings: string[] = [];

    beforeEach(async () => {
      place = await open();
      warnings.length = 0;
    });
    afterEach(async () => {
      for (const source of sources.splice(0)) await source.close();
      await place.remove();
    });

    const newSource = (): OutboxSource => {
      const source = place.source();
      sources.push(source);
      return source;
    };
    const recover = async (source: OutboxSource, request: Partial<typeof EVERYTHING> = {}): Promise<QueuedEvent[]> => {
      const recovery = await source.recover({ ...EVERYTHING, ...request });
      warnings.push(...recovery.warnings);
      return [...recovery.events];
    };
    const take = async (source: OutboxSource, count: number): Promise<QueuedEvent[]> => {
      const events: QueuedEvent[] = [];
      await until(async () => {
        events.push(...(await recover(source)));
        return events.length >= count;
      });
      return events;
    };
    const isEmpty = async (): Promise<boolean> => (await place.rows.ids()).length === 0;

    it('finds events that were committed after events of later inserts, and skips none', async () => {
      const source = newSource();
      const [slow, other] = [await place.begin(), await place.begin()];
      await place.rows.put(PROJECT, manyEvents(3), slow.tx);
      await place.rows.put(PROJECT, manyEvents(1, 3), other.tx);
      await place.put(PROJECT, manyEvents(2, 4));
      expect(idsOf(await take(source, 2))).toEqual(['id_4', 'id_5']);
      await slow.commit();
      expect(idsOf(await take(source, 3))).toEqual(['id_0', 'id_1', 'id_2']);
      await other.rollback();
      await place.put(PROJECT, manyEvents(1, 6));
      expect(idsOf(await take(source, 1))).toEqual(['id_6']);
    });

    it('deletes no row that has the number of one that it has sent', async () => {
      const source = newSource();
      await place.put(PROJECT, manyEvents(2));
      const events = await take(source, 2);
      // As after a failover to a replica that lacked the first row.
      await place.rows.run("UPDATE posthog_outbox SET uuid = 'another' WHERE uuid = 'id_0'");
      source.remove(events);
      await until(async () => (await place.rows.ids()).length === 1);
      expect(await place.rows.ids()).toEqual(['another']);
    });

    it('keeps the order of two transactions, one after the other, of which the first is committed late', async () => {
      const now = (index: number): QueuedEvent => ({ ...eventOf(index), capturedAt: Date.now() });
      const source = newSource();
      const slow = await place.begin();
      await place.rows.put(PROJECT, [now(0)], slow.tx);
      await place.put(PROJECT, [now(1)]);
      expect(idsOf(await take(source, 1))).toEqual(['id_1']);
      await slow.commit();
      await place.put(PROJECT, [now(2)]);
      // In one call, long before the next search for late rows.
      expect(idsOf(await recover(source))).toEqual(['id_0', 'id_2']);
    });

    it('finds all events of a large transaction that was committed late', async () => {
      const source = newSource();
      const slow = await place.begin();
      await place.rows.put(PROJECT, manyEvents(700, 0, 10), slow.tx);
      await place.put(PROJECT, manyEvents(2, 700));
      const held = await take(source, 2);
      await slow.commit();
      const late = await take(source, 700);
      expect(idsOf(late)).toEqual(idsOf(manyEvents(700)));
      source.remove([...held, ...late]);
      await until(isEmpty);
      expect(await recover(source)).toEqual([]);
    });

    it('holds at most 5000 events, and goes on as soon as there is room', async () => {
      for (let from = 0; from < 7000; from += 1000) await place.put(PROJECT, manyEvents(1000, from, 10));
      const source = newSource();
      const held = await take(source, 4500);
      for (let look = 0; look < 3; look += 1) held.push(...(await recover(source)));
      expect(held.length).toBeLessThanOrEqual(5000);
      source.remove(held.slice(0, 3000));
      const more = await take(source, 7000 - held.length);
      expect(idsOf([...held, ...more])).toEqual(idsOf(manyEvents(7000)));
      source.remove([...held, ...more]);
      await until(isEmpty);
    });

    it('sets damaged rows aside, says so once, and goes on with the others', async () => {
      const damaged = ['', '{"event":', '[]', 'null'].map((payload, index) => ({ ...eventOf(index), payload }));
      await place.put(PROJECT, [...damaged.slice(0, 2), eventOf(10), ...damaged.slice(2), eventOf(11)]);
      const source = newSource();
      expect(idsOf(await take(source, 2))).toEqual(['id_10', 'id_11']);
      await recover(source);
      expect(warnings).toEqual([expect.stringMatching(/^The outbox contained rows that cannot be read\. .*\+damaged/)]);
      const aside = await place.rows.read(
        `SELECT uuid FROM posthog_outbox WHERE project = '${PROJECT}+damaged' ORDER BY seq`,
      );
      expect(aside.map(({ uuid }) => uuid)).toEqual(['id_0', 'id_1', 'id_2', 'id_3']);
    });

    it('leaves events of a newer format where they are', async () => {
      const newer = { ...eventOf(1), format: 'v9' };
      await place.put(PROJECT, [newer, eventOf(2)]);
      const source = newSource();
      const events = await take(source, 1);
      expect(idsOf(events)).toEqual(['id_2']);
      source.remove(events);
      await until(async () => (await place.rows.ids()).length === 1);
      expect(await recover(source)).toEqual([]);
      expect(await place.rows.ids()).toEqual(['id_1']);
    });

    it('stops removing when it has lost its lease, and takes it again as a new relay', async () => {
      await place.put(PROJECT, manyEvents(4));
      const source = newSource();
      const held = await take(source, 4);
      const thaw = await place.expireClaims();
      const heir = newSource();
      const taken = await take(heir, 4);
      thaw();
      await until(() => !source.isActive);
      source.remove(held);
      expect(await recover(source)).toEqual([]);
      expect(await place.rows.ids()).toHaveLength(4);
      heir.remove(taken.slice(0, 2));
      await heir.close();
      expect(idsOf(await take(source, 2))).toEqual(['id_2', 'id_3']);
    });

    it('knows that it has lost its lease even if nobody has it any more', async () => {
      await place.put(PROJECT, manyEvents(2));
      const source = newSource();
      await take(source, 2);
      const thaw = await place.expireClaims();
      const heir = newSource();
      heir.remove(await take(heir, 2));
      await heir.close();
      thaw();
      await until(() => !source.isActive);
      expect(await recover(source)).toEqual([]);
    });

    it('waits for one of two relays that start at once, and takes over when it closes', async () => {
      await place.put(PROJECT, manyEvents(2));
      const both = [newSource(), newSource()];
      const taken = await Promise.all(both.map((source) => recover(source)));
      expect(taken.map((events) => events.length).sort()).toEqual([0, 2]);
      const [active, standby] = both[0]?.isActive ? both : both.reverse();
      await active?.close();
      expect(await take(standby!, 2)).toHaveLength(2);
    });
  });
}
