import { beforeEach, describe, expect, it } from '@jest/globals';
import { type QueuedEvent } from 'nestjs-posthog-capture';
import { type Row } from '../../../lib/outbox/clients/client-shape.js';
import { HeldRows } from '../../../lib/outbox/held-rows.js';
import { RelayStatements } from '../../../lib/outbox/relay-statements.js';
import { outboxTables } from '../../../lib/outbox/sql.js';
import { eventOf, idsOf } from '../../support/stored-events.js';

const STATEMENTS = new RelayStatements(outboxTables('postgres'), 'abc1', ['v0']);
const EVERYTHING = { events: 1000, bytes: 1_000_000 };

const rowOf = (seq: number): Row => {
  const { id, name, orderKey, format, payload } = eventOf(seq);
  return { seq, uuid: id, name, orderkey: orderKey, format, payload, capturedat: Date.now() };
};

describe('the rows that a relay holds', () => {
  let table: Row[];
  /** Decides which statement fails. */
  let fails: (text: string) => boolean;
  let rows: HeldRows;

  beforeEach(() => {
    table = [];
    fails = () => false;
    rows = new HeldRows({ read, write: () => Promise.resolve() }, STATEMENTS, {
      onDamaged: () => undefined,
      isCertain: () => true,
    });
  });

  /** The three kinds of statements: rows after a seq, seqs within ranges, and single rows. */
  function read(text: string): Promise<readonly Row[]> {
    if (fails(text)) return Promise.reject(new Error('Connection lost'));
    const after = Number(/seq > (\d+)/.exec(text)?.[1] ?? -1);
    const upTo = Number(/seq <= (\d+)/.exec(text)?.[1] ?? Infinity);
    const limit = Number(/LIMIT (\d+)/.exec(text)?.[1] ?? Infinity);
    const ranges = [...text.matchAll(/BETWEEN (\d+) AND (\d+)/g)].map(
      ([, from, to]) => [Number(from), Number(to)] as const,
    );
    const [, list = ''] = /seq IN \((.*?)\)/.exec(text) ?? [];
    const isWanted = (seq: number): boolean => {
      if (ranges.length > 0) return ranges.some(([from, to]) => seq >= from && seq <= to);
      return list === '' ? seq > after && seq <= upTo : list.split(',').map(Number).includes(seq);
    };
    const found = table.filter(({ seq }) => isWanted(Number(seq)));
    return Promise.resolve(found.sort((a, b) => Number(a.seq) - Number(b.seq)).slice(0, limit));
  }

  async function taken(): Promise<string[]> {
    const events: QueuedEvent[] = [];
    await rows.readNext();
    rows.handOut(events, { ...EVERYTHING });
    return idsOf(events);
  }

  it('are read again if the database fails while it is searched for late rows', async () => {
    table = [rowOf(1), rowOf(3), rowOf(4)];
    expect(await taken()).toEqual(['id_1', 'id_3', 'id_4']);
    table.push(rowOf(5), rowOf(6));
    fails = (text) => text.includes('BETWEEN');
    await expect(rows.readNext()).rejects.toThrow('Connection lost');
    fails = () => false;
    table.push(rowOf(2), rowOf(7));
    expect(await taken()).toEqual(['id_2', 'id_5', 'id_6', 'id_7']);
  });

  it('are followed by all rows of a large transaction that was committed late', async () => {
    const seqs = Array.from({ length: 1000 }, (_, index) => index + 1);
    table = seqs.filter((seq) => seq <= 100 || seq > 900).map(rowOf);
    const ids: string[] = [];
    for (let reads = 0; reads < 50 && ids.length < 200; reads += 1) ids.push(...(await taken()));
    table.push(...seqs.filter((seq) => seq > 100 && seq <= 900).map(rowOf), rowOf(1001));
    for (let reads = 0; reads < 50 && ids.length < 1001; reads += 1) ids.push(...(await taken()));
    expect(ids.slice(200)).toEqual([...seqs.slice(100, 900), 1001].map((seq) => `id_${seq}`));
  });

  it('are followed by rows that got smaller numbers after a failover, before those with larger ones', async () => {
    table = [rowOf(7), rowOf(8)];
    expect(await taken()).toEqual(['id_7', 'id_8']);
    table = [rowOf(5), rowOf(6), rowOf(7), rowOf(8), rowOf(9)];
    rows.startOver();
    expect(await taken()).toEqual(['id_5', 'id_6', 'id_9']);
  });

  it('are handed out in the order of their numbers, also those that are found by the search for late rows', async () => {
    table = [rowOf(20)];
    await rows.readNext();
    table.push(rowOf(5));
    await rows.readLate();
    const events: QueuedEvent[] = [];
    rows.handOut(events, { ...EVERYTHING });
    expect(idsOf(events)).toEqual(['id_5', 'id_20']);
  });

  it('are deleted only with the uuid that was sent', () => {
    expect(STATEMENTS.delete([{ seq: '1', uuid: 'id_1' }])).toMatch(/seq IN \(1\) AND uuid IN \('id_1'\)$/);
    expect(STATEMENTS.delete([{ seq: '1', uuid: "it's" }])).toMatch(/seq IN \(1\)$/);
  });
});
