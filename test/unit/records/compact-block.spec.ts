import { crc32 } from 'node:zlib';
import { describe, expect, it } from '@jest/globals';
import { type QueuedEvent } from '../../../lib/delivery/delivery.js';
import { recordedBody } from '../../../lib/delivery/recorded-event.js';
import { writeChecksum } from '../../../lib/records/block-start.js';
import { CompactBlockWriter } from '../../../lib/records/compact-block.js';
import { BlockWriter } from '../../../lib/records/event-block.js';
import { isOfOtherVersion, readBlock } from '../../../lib/records/read-block.js';
import { Seeded } from '../../support/seeded.js';
import { eventOf, manyEvents } from '../../support/stored-events.js';

const PROJECT = 'abc1';

/** As `capture()` writes it. */
function captured(id: string, name: string, orderKey: string, capturedAt: number, text = ''): QueuedEvent {
  const payload = JSON.stringify({ event: name, distinct_id: orderKey, uuid: id, properties: { text } });
  return { id, name, orderKey, format: 'v0', payload, bytes: Buffer.byteLength(payload), capturedAt };
}

function written(events: readonly QueuedEvent[]): Buffer {
  const block = Buffer.from(new CompactBlockWriter(PROJECT).write(events));
  writeChecksum(block);
  return block;
}
const roundTrip = (events: readonly QueuedEvent[]): readonly QueuedEvent[] | null =>
  readBlock(written(events), PROJECT);

/** With a valid checksum. */
function sealed(rest: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${crc32(rest).toString(16).padStart(8, '0')} `), rest]);
}

describe('a compact block', () => {
  const many = Array.from({ length: 100 }, (_, index) =>
    captured(`0193-${index}`, 'order_placed', `user_${index % 7}`, 1_790_000_000_000 + index),
  );
  it.each<[string, readonly QueuedEvent[]]>([
    ['one event', [captured('0193', 'order_placed', 'user_1', 1_790_000_000_000)]],
    ['events whose payloads contain their names', many],
    ['events whose payloads do not', manyEvents(50)],
    ['text that is not ASCII', [captured('ä', '注文', 'ü@example.com', 1, 'é'.repeat(300)), ...many]],
    [
      'text that JSON escapes',
      [captured('a"b', 'x\\y', 'line\nbreak', 5, '"'), captured('c', 'x\\y', 'line\nbreak', 6)],
    ],
    ['lone surrogates', [captured('1', 'a', 'b', 1, '\ud800'), captured('2', 'a', 'b', 2, '\udfff')]],
    ['empty names', [{ ...captured('1', '', '', 7), id: '' }, captured('2', 'a', 'b', 7)]],
    [
      'names beyond the part that is searched',
      [{ ...eventOf(1), id: 'x'.repeat(20), payload: `["${'x'.repeat(3000)}"]`, bytes: 3004 }],
    ],
    ['payloads of very different sizes', [1, 300, 70_000, 2].map((size) => eventOf(size, size))],
    ['events of different years', [captured('1', 'a', 'b', 0), captured('2', 'a', 'b', 4_102_444_800_000), ...many]],
    ['events in no order of time', [captured('1', 'a', 'b', 900), captured('2', 'a', 'b', 100)]],
    ['more than the memory that is used again', manyEvents(30, 0, 40_000)],
    ['no event', []],
  ])('contains %s, unchanged', (_, events) => {
    expect(roundTrip(events)).toEqual(events);
  });

  it('contains any events, unchanged', () => {
    for (let seed = 1; seed <= 200; seed += 1) {
      const random = new Seeded(seed);
      const text = (length: number): string =>
        Array.from({ length: random.below(length) }, () =>
          String.fromCodePoint(1 + random.below(random.below(9) ? 127 : 1000)),
        ).join('');
      const events = Array.from({ length: 1 + random.below(40) }, () =>
        captured(text(40), text(20), text(30), random.below(2 ** 31) * random.below(1000), text(400)),
      );
      expect([seed, roundTrip(events)]).toEqual([seed, events]);
    }
  });

  it('is smaller than a block with a table', () => {
    expect(written(many).length).toBeLessThan(new BlockWriter(PROJECT).write(many).length * 0.7);
  });

  it('says whether its ids are unique', () => {
    const block = written(many);
    expect(readBlock(block, PROJECT, true)?.every(({ hasOwnId }) => hasOwnId)).toBe(true);
    expect(readBlock(block, PROJECT)?.some(({ hasOwnId }) => hasOwnId)).toBe(false);
  });

  it('belongs to one project', () => {
    expect(readBlock(written(many), 'abc2')).toBeNull();
  });

  it('is not read if a bit has flipped', () => {
    const block = written(many);
    for (let seed = 1; seed <= 200; seed += 1) {
      const random = new Seeded(seed);
      const copy = Buffer.from(block);
      copy[random.below(copy.length)]! ^= 1 << random.below(8);
      expect([seed, readBlock(copy, PROJECT), isOfOtherVersion(copy)]).toEqual([seed, null, false]);
    }
  });

  it.each([
    ['a column less', '[3,"abc1","v0",1,0,0,1,0,0,0,1,0,0,0,1,0,2,0]'],
    ['more events than bytes', '[3,"abc1","v0",1000000000,0,0,1,0,0,0,1,0,0,0,1,0,2,0,0,0]'],
    ['larger payloads than it has', '[3,"abc1","v0",1,0,0,1,0,0,0,1,0,0,0,1,0,9,0,0,0]'],
    ['a negative number', '[3,"abc1","v0",1,0,0,1,0,0,0,1,0,0,0,1,0,-2,0,0,0]'],
    ['no format', '[3,"abc1",1,1,0,0,1,0,0,0,1,0,0,0,1,0,2,0,0,0]'],
  ])('is not read with %s', (_, line) => {
    expect(readBlock(sealed(Buffer.from(`${line}\nabc{}`)), PROJECT)).toBeNull();
  });

  it('of a newer version is known as such', () => {
    const block = sealed(Buffer.from('[4,"abc1"]\nanything'));
    expect([readBlock(block, PROJECT), isOfOtherVersion(block)]).toEqual([null, true]);
    expect([written(many), new BlockWriter(PROJECT).write(many)].map((one) => isOfOtherVersion(one))).toEqual([
      false,
      false,
    ]);
  });
});

describe('the body of a request with recorded events', () => {
  const events = [...manyEvents(20), captured('ä', '注文', 'ü', 1, 'é'), ...manyEvents(5, 30)];
  const others = manyEvents(9, 100);
  const bodyOf = (payloads: readonly QueuedEvent[]): string =>
    `{"ü":[${payloads.map(({ payload }) => payload).join(',')}]}`;
  const [first, second] = [roundTrip(events) ?? [], roundTrip(others) ?? []];

  it.each<[string, readonly QueuedEvent[]]>([
    ['all events of a block', first],
    ['a part of a block', first.slice(3, 8)],
    ['events of several blocks', [...first, ...second]],
    [
      'events in another order, some of them left out',
      [first[4]!, first[3]!, second[0]!, first[5]!, second[1]!, first[6]!],
    ],
    ['one event', first.slice(0, 1)],
  ])('contains %s', (_, sent) => {
    expect(recordedBody('{"ü":[', sent, ']}')?.toString()).toBe(bodyOf(sent));
  });

  it('is not made of bytes if an event is not recorded', () => {
    expect(recordedBody('[', [...first, eventOf(1)], ']')).toBeNull();
  });
});
