import { brotliDecompressSync } from 'node:zlib';
import { describe, expect, it } from '@jest/globals';
import { EntryWriter, readEntry } from '../../../lib/redis/stream-block.js';
import { writeChecksum } from '../../../lib/records/block-start.js';
import { manyEvents } from '../../support/stored-events.js';

const PROJECT = 'abc1';

/** An entry as Redis returns it. */
async function entryOf(count: number): Promise<Buffer[]> {
  const fields = await new EntryWriter(PROJECT).write(manyEvents(count), true);
  return fields.map((field) => Buffer.from(field));
}
const valueOf = (fields: readonly Buffer[], name: string): Buffer =>
  fields[fields.findIndex((field, index) => index % 2 === 0 && String(field) === name) + 1] ?? Buffer.alloc(0);
const without = (fields: readonly Buffer[], name: string): readonly Buffer[] =>
  fields.filter((_, index) => String(fields[index - (index % 2)]) !== name);

describe('an entry of the queue', () => {
  it.each([
    ['a block that is not compressed', 2, 'b'],
    ['a compressed block', 100, 'z'],
  ])('%s with a changed bit is damaged, or read unchanged', async (_, count, name) => {
    const fields = await entryOf(count);
    const intact = readEntry(fields, PROJECT);
    expect(intact).toMatchObject({ kind: 'events', events: { length: count } });
    const block = valueOf(fields, name);
    let damaged = 0;
    for (let at = 0; at < block.length; at += 1) {
      const byte = block.readUInt8(at);
      block.writeUInt8(byte ^ (1 << (at % 8)), at);
      const entry = readEntry(fields, PROJECT);
      block.writeUInt8(byte, at);
      if (entry.kind === 'damaged') damaged += 1;
      else expect([at, entry]).toEqual([at, intact]);
    }
    // The space after the checksum is not checked.
    expect(damaged).toBeGreaterThanOrEqual(block.length - 1);
  });

  it('is read as versions wrote it whose checksum is in the block', async () => {
    const fields = await entryOf(100);
    const block = brotliDecompressSync(valueOf(fields, 'z'));
    writeChecksum(block);
    const former = [Buffer.from('b'), block, ...without(without(fields, 'c'), 'z')];
    expect(readEntry(former, PROJECT)).toMatchObject({ kind: 'events', events: { length: 100 } });
    block.writeUInt8(block.readUInt8(block.length - 3) ^ 1, block.length - 3);
    expect(readEntry(former, PROJECT).kind).toBe('damaged');
  });

  it.each([['c'], ['z']])('is read unchecked if its writer had no checksums, before Node 20.15 (%s)', async (last) => {
    const fields = await entryOf(100);
    valueOf(fields, 'c').write('--------');
    const unchecked = last === 'c' ? fields : without(fields, 'c');
    expect(readEntry(unchecked, PROJECT)).toMatchObject({ kind: 'events', events: { length: 100 } });
  });
});
