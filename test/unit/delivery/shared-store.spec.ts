import { expect, it } from '@jest/globals';
import { type EventStore, type QueuedEvent, type Recovery, type RecoveryRequest } from 'nestjs-posthog-capture';
import { SharedStore } from '../../../lib/delivery/lanes/shared-store.js';
import { idsOf, manyEvents } from '../../support/stored-events.js';

const isOdd = ({ id }: QueuedEvent): boolean => Number(id.slice('id_'.length)) % 2 === 1;
const ALL = { project: 'one', maxEvents: 1000, maxBytes: 1_000_000 };

/** A store that returns what the test says, and counts what is asked of it. */
function setUp() {
  const calls: string[] = [];
  let found: Recovery = { events: [], warnings: [] };
  let request: RecoveryRequest | undefined;
  let waited = 0;
  const store: EventStore = {
    lookAgainMs: 5,
    recover: (given) => {
      request = given;
      calls.push('recover');
      const result = found;
      found = { events: [], warnings: [] };
      return Promise.resolve(result);
    },
    append: (events) => {
      calls.push(`append ${idsOf(events).join()}`);
      return undefined;
    },
    remove: (events) => {
      calls.push(`remove ${idsOf(events).join()}`);
      return undefined;
    },
    commit: () => void calls.push('commit'),
    close: () => {
      calls.push('close');
      return Promise.resolve();
    },
  };
  const shared = new SharedStore(store, isOdd, () => (waited += 1));
  return {
    shared,
    calls,
    find: (recovery: Recovery) => void (found = recovery),
    request: (): RecoveryRequest => request!,
    waited: () => waited,
  };
}

it('gives each pipeline its own events, and reads nothing more until the second one has taken its own', async () => {
  const { shared, calls, find, waited } = setUp();
  const events = manyEvents(6);
  find({ events, warnings: ['damaged'] });
  expect(await shared.first.recover(ALL)).toEqual({
    events: [events[0], events[2], events[4]],
    warnings: ['damaged'],
    more: true,
  });
  expect(waited()).toBe(1);
  expect(await shared.first.recover(ALL)).toEqual({ events: [], warnings: [] });
  expect(calls).toEqual(['recover']);
  const second = shared.openSecond()!;
  expect(idsOf((await second.recover({ ...ALL, maxEvents: 2 })).events)).toEqual(['id_1', 'id_3']);
  expect(idsOf((await second.recover({ ...ALL, maxBytes: 1 })).events)).toEqual(['id_5']);
  expect((await second.recover(ALL)).events).toEqual([]);
  await shared.first.recover(ALL);
  expect(calls).toEqual(['recover', 'recover']);
});

it('passes the events of both on, and closes the store with the last of them', async () => {
  const { shared, calls } = setUp();
  const second = shared.openSecond()!;
  const [even, odd] = manyEvents(2) as [QueuedEvent, QueuedEvent];
  void shared.first.append([even]);
  void second.append([odd]);
  void second.remove([odd]);
  second.commit!();
  expect(shared.first.lookAgainMs).toBe(5);
  await shared.first.close();
  void shared.first.remove([even]);
  expect(calls).toEqual(['append id_0', 'append id_1', 'remove id_1', 'commit', 'remove id_0']);
  await second.close();
  expect(calls.at(-1)).toBe('close');
  expect(shared.openSecond()).toBeNull();
});

it('tells each of its events that are lost, or that another process has', async () => {
  const { shared, find, request } = setUp();
  const events = manyEvents(4);
  const told: string[] = [];
  const listeners = (name: string) => ({
    onLost: (_: unknown, lost: readonly QueuedEvent[]) => void told.push(`${name} lost ${idsOf(lost).join()}`),
    onGone: (gone: readonly QueuedEvent[]) => void told.push(`${name} gone ${idsOf(gone).join()}`),
  });
  find({ events, warnings: [] });
  await shared.first.recover({ ...ALL, ...listeners('first') });
  // Events that nobody has taken yet.
  request().onGone?.([events[0]!, events[1]!]);
  const second = shared.openSecond()!;
  expect(idsOf((await second.recover({ ...ALL, ...listeners('second') })).events)).toEqual(['id_3']);
  request().onGone?.([events[2]!, events[3]!]);
  request().onLost?.(new Error('full'), [events[3]!]);
  expect(told).toEqual(['first gone id_0', 'first gone id_2', 'second gone id_3', 'second lost id_3']);
});
