import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type EventStore, type QueuedEvent, type RecoveryRequest } from 'nestjs-posthog-capture';
import { eventOf, idsOf, manyEvents } from '../support/stored-events.js';
import { PATIENCE_MS } from '../support/until.js';

/** What a process recovers events from: a store of earlier processes, or the source of a queue. */
export type Source = Omit<EventStore, 'append'>;

/** A place where events wait for a process that sends them: a disk, or a queue. */
export interface EventPlace {
  /** Puts events there; no living process holds them. */
  put(project: string, events: readonly QueuedEvent[]): Promise<void>;
  /** A source of a process of its own. */
  source(): Source;
  /**
   * Makes all living processes seem dead, without their knowledge: the next one to look takes over all events. They learn of it once
   * the returned function is called. Only where that may happen.
   */
  expireClaims?(): Promise<() => void>;
  remove(): Promise<void>;
}

const PROJECT = 'abc1';
const EVERYTHING = { project: PROJECT, maxEvents: 100_000, maxBytes: 1_000_000_000 };
/** A source that holds nothing returns at once, and its connection needs turns of the event loop to change that. */
const aMoment = (): Promise<unknown> => new Promise((resolve) => setTimeout(resolve, 10));

/** The contract of `recover`, `remove` and `close`, which every store and every queue must pass. */
export function describeRecovery(name: string, open: () => Promise<EventPlace>): void {
  describe(`recovering events: ${name}`, () => {
    let place: EventPlace;
    const sources: Source[] = [];

    beforeEach(async () => {
      place = await open();
    });
    afterEach(async () => {
      for (const source of sources.splice(0)) await source.close();
      await place.remove();
    });

    const newSource = (): Source => {
      const source = place.source();
      sources.push(source);
      return source;
    };
    const recover = async (source: Source, request: Partial<RecoveryRequest> = {}): Promise<readonly QueuedEvent[]> =>
      (await source.recover({ ...EVERYTHING, ...request })).events;

    /** Recovers until it has `count` events: a queue may take several calls, also to notice that a process has ended. */
    const take = async (source: Source, count: number, request: Partial<RecoveryRequest> = {}) => {
      const events: QueuedEvent[] = [];
      for (const end = performance.now() + PATIENCE_MS; events.length < count;) {
        const piece = await recover(source, { ...request, maxEvents: request.maxEvents ?? count - events.length + 1 });
        events.push(...piece);
        if (performance.now() > end) throw new Error(`only ${events.length} of ${count} events were recovered`);
        if (piece.length === 0) await aMoment();
      }
      return events;
    };
    /** Takes until it has these events, and perhaps others: a block of which a part was removed may be returned as a whole. */
    const takeAtLeast = async (wanted: readonly QueuedEvent[]): Promise<readonly QueuedEvent[]> => {
      const source = newSource();
      const events = await take(source, wanted.length);
      const isComplete = (): boolean => wanted.every(({ id }) => events.some((event) => event.id === id));
      for (const end = performance.now() + PATIENCE_MS; !isComplete() && performance.now() < end;) {
        events.push(...(await recover(source)));
        await aMoment();
      }
      return events;
    };
    const takeAll = async (count: number, project = PROJECT) => {
      const source = newSource();
      const events = await take(source, count, { project });
      return { source, events };
    };

    it('returns what was put, unchanged and in the order of each person', async () => {
      const events = manyEvents(300);
      await place.put(PROJECT, events.slice(0, 100));
      for (let from = 100; from < 300; from += 50) await place.put(PROJECT, events.slice(from, from + 50));
      const { source, events: recovered } = await takeAll(300);
      expect(byPerson(recovered)).toEqual(byPerson(events));
      expect(await recover(source)).toEqual([]);
    });

    it('does not return what was removed; what was not removed goes to the next process', async () => {
      const events = manyEvents(100);
      await place.put(PROJECT, events);
      const { source, events: recovered } = await takeAll(100);
      const [removed, left] = [recovered.slice(0, 70), recovered.slice(70)];
      await source.remove(removed.slice(0, 30));
      await source.remove(removed.slice(30));
      await source.close();
      const next = await takeAtLeast(left);
      expect(idsOf(next)).toEqual(expect.arrayContaining(idsOf(left)));
      for (const event of next) expect(events).toContainEqual(event);
    });

    it('returns nothing once all was removed', async () => {
      await place.put(PROJECT, manyEvents(100));
      const { source, events } = await takeAll(100);
      await source.remove(events);
      await source.close();
      const next = newSource();
      expect(await recover(next)).toEqual([]);
      expect(await recover(next)).toEqual([]);
    });

    it('ignores the removal of events that it does not know, or that were removed before', async () => {
      await place.put(PROJECT, [eventOf(1)]);
      const { source, events } = await takeAll(1);
      // Not the objects that it returned.
      await source.remove([eventOf(1), { ...events[0]! }]);
      await source.close();
      const { source: second, events: again } = await takeAll(1);
      expect(again).toEqual([eventOf(1)]);
      await second.remove(again);
      await second.remove(again);
      await second.close();
      expect(await recover(newSource())).toEqual([]);
    });

    it('distinguishes events with the same id', async () => {
      await place.put(PROJECT, [eventOf(1), { ...eventOf(1), name: 'other' }]);
      const { source, events } = await takeAll(2);
      expect(events.map(({ name: event }) => event)).toEqual(['event_1', 'other']);
      await source.remove(events);
      await source.close();
      expect(await recover(newSource())).toEqual([]);
    });

    it('keeps to the limits: the rest is returned later, and a single event may exceed the bytes', async () => {
      const events = manyEvents(50).map((event) => ({ ...event, orderKey: 'one' }));
      await place.put(PROJECT, events);
      const source = newSource();
      const first = await take(source, 20, { maxEvents: 20 });
      expect(first).toEqual(events.slice(0, 20));
      const second = await recover(source, { maxBytes: events[20]!.bytes * 10 });
      expect(second).toEqual(events.slice(20, 20 + second.length));
      expect([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]).toContain(second.length);
      const third = await recover(source, { maxBytes: 1 });
      expect(third).toEqual(events.slice(20 + second.length, 21 + second.length));
      const rest = await take(source, 29 - second.length);
      expect([...first, ...second, ...third, ...rest]).toEqual(events);
    });

    it('returns nothing if the limits allow nothing', async () => {
      await place.put(PROJECT, [eventOf(1)]);
      const source = newSource();
      expect(await recover(source, { maxEvents: 0 })).toEqual([]);
      expect(await take(source, 1)).toEqual([eventOf(1)]);
    });

    it('leaves the events of a living process alone, until it closes', async () => {
      await place.put(PROJECT, manyEvents(10));
      const { source } = await takeAll(10);
      const other = newSource();
      for (let look = 0; look < 3; look += 1) expect(await recover(other)).toEqual([]);
      await source.close();
      expect(idsOf(await take(other, 10)).sort()).toEqual(idsOf(manyEvents(10)).sort());
      expect(await recover(other)).toEqual([]);
    });

    it('gives each event to exactly one of several processes', async () => {
      const events = manyEvents(60).map((event, index) => ({ ...event, orderKey: `person_${index % 20}` }));
      await place.put(PROJECT, events);
      const heirs = [newSource(), newSource(), newSource()];
      const recovered: QueuedEvent[] = [];
      for (const end = performance.now() + PATIENCE_MS; recovered.length < 60 && performance.now() < end;) {
        const pieces = await Promise.all(heirs.map((heir) => recover(heir)));
        for (const piece of pieces) recovered.push(...piece);
        // A queue shares its partitions among them, and some may be let go of only when they hold nothing.
        for (const [index, heir] of heirs.entries()) await heir.remove(pieces[index]!);
        if (pieces.every((piece) => piece.length === 0)) await aMoment();
      }
      expect(byPerson(recovered)).toEqual(byPerson(events));
    });

    it('keeps the events of another project', async () => {
      await place.put('abc1', [eventOf(1)]);
      await place.put('abc2', [eventOf(2)]);
      const { source, events } = await takeAll(1, 'abc2');
      expect(events).toEqual([eventOf(2)]);
      await source.remove(events);
      await source.close();
      expect((await takeAll(1, 'abc1')).events).toEqual([eventOf(1)]);
    });

    it('keeps any string', async () => {
      const payload = JSON.stringify({
        text: 'Zürich \u{1F600} \n "quoted" \u0001 \u2028 日本',
        long: 'x'.repeat(900_000),
      });
      const event = {
        ...eventOf(1),
        name: 'a\nb "c" \u{1F600}',
        orderKey: '日本 \n',
        payload,
        bytes: Buffer.byteLength(payload),
      };
      await place.put(PROJECT, [event]);
      expect((await takeAll(1)).events).toEqual([event]);
    });

    it('distinguishes the strings and times of adjacent events, whatever they contain', async () => {
      const texts = ['', 'ü', '日本 \n', '\u{1F600}', 'plain', '1,2', '"]'];
      const events = texts.map((text, index) => {
        const payload = JSON.stringify({ text: text.repeat(index) });
        const capturedAt = 1_700_000_000_000 + (index - 3) * 10 ** (index + 6);
        const names = { id: `${text}${index}`, name: text, orderKey: texts.at(-index) ?? '' };
        return { ...eventOf(index), ...names, payload, bytes: Buffer.byteLength(payload), capturedAt };
      });
      await place.put(PROJECT, events);
      expect(byPerson((await takeAll(events.length)).events)).toEqual(byPerson(events));
    });

    it('returns what is put while it runs', async () => {
      const { source } = await takeAll(0);
      await recover(source);
      await place.put(PROJECT, manyEvents(5));
      expect(byPerson(await take(source, 5))).toEqual(byPerson(manyEvents(5)));
      await place.put(PROJECT, manyEvents(5, 5));
      expect(byPerson(await take(source, 5))).toEqual(byPerson(manyEvents(5, 5)));
    });

    it('says which events another process took over because this one seemed dead, and leaves them to it', async () => {
      // Not where the claim of a living process never expires.
      if (!place.expireClaims) return;
      await place.put(PROJECT, manyEvents(10));
      const source = newSource();
      const gone: QueuedEvent[] = [];
      const onGone = (events: readonly QueuedEvent[]): void => void gone.push(...events);
      const held = await take(source, 10, { onGone });
      await source.remove(held.slice(0, 3));
      const wakeUp = await place.expireClaims();
      const heir = newSource();
      const taken = await take(heir, 7);
      wakeUp();
      await source.confirm?.(held);
      // The events themselves, and not those that were removed before.
      for (const end = performance.now() + PATIENCE_MS; gone.length < 7 && performance.now() < end;) {
        await recover(source, { onGone });
        await aMoment();
      }
      expect(new Set(gone)).toEqual(new Set(held.slice(3)));
      for (const event of gone) expect(held).toContain(event);
      // They are not its own any more.
      await source.remove(held);
      await heir.close();
      await source.close();
      const next = await takeAtLeast(held.slice(3));
      expect(idsOf(next)).toEqual(expect.arrayContaining(idsOf(held.slice(3))));
      expect(taken.length).toBeGreaterThanOrEqual(7);
    });
  });
}

/** The events of each order key, in order. */
function byPerson(events: readonly QueuedEvent[]): Record<string, readonly QueuedEvent[]> {
  const persons: Record<string, QueuedEvent[]> = {};
  for (const event of events) (persons[`key ${event.orderKey}`] ??= []).push(event);
  return persons;
}
