import { describe, expect, it } from '@jest/globals';
import { EventFeed } from '../../../lib/live/event-feed.js';
import { masker } from '../../../lib/live/mask.js';

const feedOf = (limits: { maxEvents?: number; maxLength?: number } = {}, mask: string[] = []): EventFeed =>
  new EventFeed({ maxEvents: 100, maxLength: 1_000_000, ...limits }, masker(mask));

const event = (id: string, fields: Record<string, unknown> = {}) => {
  const text = JSON.stringify({ event: `event ${id}`, distinct_id: `person ${id}`, properties: fields });
  return { id, name: `event ${id}`, text, bytes: Buffer.byteLength(text), at: 0 };
};

const idsOf = (events: readonly { id: string }[]): string[] => events.map(({ id }) => id);

describe('the feed of a page', () => {
  it('reports a new event once, then its changes', () => {
    const feed = feedOf();
    feed.add(event('a'), 'queued');
    feed.move('a', 'sending', { attempts: 1 });
    expect(feed.takeChanges()).toEqual({
      added: [
        {
          id: 'a',
          name: 'event a',
          who: 'person a',
          at: 0,
          bytes: event('a').bytes,
          text: event('a').text,
          isCut: false,
          fate: 'sending',
          note: '',
          attempts: 1,
        },
      ],
      moved: [],
    });
    feed.move('a', 'retrying', { note: 'HTTP 503' });
    expect(feed.takeChanges()).toEqual({
      added: [],
      moved: [{ id: 'a', fate: 'retrying', note: 'HTTP 503', attempts: 1 }],
    });
    expect(feed.takeChanges()).toEqual({ added: [], moved: [] });
  });

  it('removes the oldest events above maxEvents', () => {
    const feed = feedOf({ maxEvents: 3 });
    for (const id of 'abcde') feed.add(event(id), 'queued');
    expect(idsOf(feed.events())).toEqual(['c', 'd', 'e']);
    expect(idsOf(feed.takeChanges().added)).toEqual(['c', 'd', 'e']);
    feed.move('a', 'delivered');
    expect(feed.takeChanges().moved).toEqual([]);
    expect(feed.detail('a')).toBeUndefined();
  });

  it('removes the oldest events above maxLength, not counting replaced events', () => {
    const long = 'x'.repeat(400);
    const feed = feedOf({ maxLength: 1500 });
    for (const id of 'abc') feed.add(event(id, { long }), 'queued');
    for (let time = 0; time < 10; time++) feed.add(event('c', { long }), 'queued');
    expect(idsOf(feed.events())).toEqual(['a', 'b', 'c']);
    feed.add(event('d', { long }), 'queued');
    expect(idsOf(feed.events())).toEqual(['b', 'c', 'd']);
  });

  it('shows the beginning of a long text and keeps all of it', () => {
    const feed = feedOf();
    const long = event('a', { long: 'x'.repeat(100_000) });
    feed.add(long, 'queued');
    const [shown] = feed.events();
    expect(shown).toMatchObject({ isCut: true, bytes: long.bytes });
    expect(shown?.text.length).toBeLessThan(10_000);
    expect(feed.detail('a')).toEqual({ id: 'a', text: long.text });
  });

  it('shortens names, ids and notes', () => {
    const feed = feedOf();
    const endless = 'n'.repeat(1_000_000);
    const text = JSON.stringify({ distinct_id: endless });
    feed.add({ id: 'a', name: endless, text, bytes: text.length, at: 0 }, 'dropped', { note: endless });
    feed.count(endless, 'captured');
    expect(JSON.stringify([feed.events(), feed.names()]).length).toBeLessThan(12_000);
  });

  it('masks values in changes, list and details', () => {
    const feed = feedOf({}, ['email', 'distinct_id']);
    feed.add(event('a', { email: 'ann@example.com' }), 'queued');
    const everything = JSON.stringify([feed.takeChanges(), feed.events(), feed.detail('a')]);
    expect(everything).toContain('•••');
    expect(everything).not.toContain('ann@example.com');
    expect(everything).not.toContain('person a');
  });

  it('has no text for an event that was never serialized', () => {
    const feed = feedOf();
    feed.add({ id: 'a', name: 'a', text: null, bytes: 0, at: 0 }, 'dropped', { note: 'invalid: no name' });
    expect(feed.events()).toMatchObject([{ text: '', who: '', note: 'invalid: no name' }]);
    expect(feed.detail('a')).toEqual({ id: 'a', text: null });
  });

  it('finds the fate and the attempts of an event', () => {
    const feed = feedOf();
    expect(feed.find('a')).toBeUndefined();
    feed.add(event('a'), 'sending');
    feed.move('a', 'retrying', { attempts: 2 });
    expect(feed.find('a')).toEqual({ fate: 'retrying', attempts: 2 });
  });

  it('lists the most frequent names first', () => {
    const feed = feedOf();
    feed.count('rare', 'captured');
    for (let time = 0; time < 3; time++) feed.count('frequent', 'captured');
    expect(feed.takeChanges().names).toEqual([
      { name: 'frequent', counts: { captured: 3 } },
      { name: 'rare', counts: { captured: 1 } },
    ]);
    expect(feed.takeChanges().names).toBeUndefined();
  });

  it('counts down what is no longer the case', () => {
    const feed = feedOf();
    feed.count('a', 'pending');
    feed.count('a', 'pending');
    feed.count('a', 'pending', -1);
    expect(feed.names()).toEqual([{ name: 'a', counts: { pending: 1 } }]);
  });

  it('groups names that were seen once, if there are more than five of them', () => {
    const feed = feedOf();
    for (let time = 0; time < 2; time++) feed.count('frequent', 'captured');
    const once = (name: string): void => {
      for (const key of ['captured', 'delivered']) feed.count(name, key);
    };
    for (let name = 1; name <= 5; name++) once(`order_${name}`);
    expect(feed.names()).toHaveLength(6);
    once('order_6');
    expect(feed.names()).toEqual([
      { name: 'frequent', counts: { captured: 2 } },
      { name: 'other one-off names (6)', counts: { captured: 6, delivered: 6 }, isGroup: true },
    ]);
    once('order_3');
    expect(feed.names().map(({ name }) => name)).toEqual([
      'frequent',
      'order_3',
      'order_1',
      'order_2',
      'order_4',
      'order_5',
      'order_6',
    ]);
  });

  it('counts a bounded number of names', () => {
    const feed = feedOf();
    for (let name = 0; name < 1000; name++) for (let time = 0; time < 2; time++) feed.count(`name ${name}`, 'captured');
    const names = feed.names();
    expect(names).toHaveLength(50);
    expect(names.at(-1)).toEqual({ name: 'all other names', counts: { captured: 1902 }, isGroup: true });
  });
});
