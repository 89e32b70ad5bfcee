import { describe, expect, it } from '@jest/globals';
import { type BatchOutcome, type QueuedEvent } from '../../../lib/delivery/delivery.js';
import { EventQueue } from '../../../lib/delivery/queue/event-queue.js';
import { deliverBatch } from '../../../lib/delivery/sending/deliver-batch.js';
import { senderOf } from '../../support/silent-observer.js';

const FAILURE = { message: 'no', remedy: 'none' };
const ACCEPTED: BatchOutcome = { kind: 'settled', rejected: [], retry: [] };
const LIMITS = { maxQueueEvents: 100, maxQueueBytes: 1000, maxBatchEvents: 100, maxBatchBytes: 1000 };

const names = (events: readonly { name: string }[]): string => events.map(({ name }) => name).join('');

/** Sends one event per letter; returns a line per request, and per result with the fates that are not empty. */
async function follow(
  letters: string,
  answer: (batch: string, request: number) => BatchOutcome,
  { refusals = { unproven: 0 }, abort = new AbortController(), attempts = Infinity } = {},
) {
  const queue = new EventQueue(LIMITS);
  for (const name of letters) {
    queue.push({ id: name, name, orderKey: name, format: 'v0', payload: '{}', bytes: 2, capturedAt: 0 });
  }
  const lines: string[] = [];
  let results = 0;
  const sender = senderOf(({ events }: { events: readonly QueuedEvent[] }, { number }) => {
    lines.push(`send ${names(events)} ${number}`);
    return Promise.resolve(answer(names(events), lines.filter((line) => line.startsWith('send')).length));
  });
  const lease = queue.lease(LIMITS);
  if (!lease) throw new Error('nothing was lent');
  for await (const result of deliverBatch(lease, sender, refusals, abort.signal)) {
    const { delivered, dropped, left, failure } = result;
    if (delivered.length > 0) lines.push(`delivered ${names(delivered)}`);
    for (const { event, reason, detail } of dropped) lines.push(`dropped ${event.name}: ${reason}, ${detail}`);
    if (left.length > 0)
      lines.push(`left ${names(left)}: ${failure?.remedy}${failure?.refusesAll ? ', refuses all' : ''}`);
    for (const event of [...delivered, ...dropped.map(({ event }) => event)]) lease.ack(event);
    results += 1;
    if (results === attempts) break;
  }
  return { lines, refusals, open: names(lease.open) };
}

describe('an attempt', () => {
  it.each<[string, BatchOutcome, string[]]>([
    ['delivers everything', ACCEPTED, ['delivered abc']],
    [
      'decides for each event',
      { kind: 'settled', rejected: [{ id: 'b', detail: 'bad' }], retry: ['c'] },
      ['delivered a', 'dropped b: rejected, bad', 'left c: none'],
    ],
    ['may be retried', { kind: 'retryable', failure: FAILURE }, ['left abc: none']],
    ['is refused', { kind: 'refused', failure: FAILURE }, ['left abc: none, refuses all']],
    [
      'is over the quota',
      { kind: 'quota', failure: FAILURE },
      ['dropped a: quota, no', 'dropped b: quota, no', 'dropped c: quota, no'],
    ],
  ])('that %s', async (_, outcome, expected) => {
    const { lines } = await follow('abc', () => outcome, { attempts: 1 });
    expect(lines).toEqual(['send abc 1', ...expected]);
  });

  it('is followed by the next of the same batch, with the events that are left', async () => {
    const outcomes: BatchOutcome[] = [
      { kind: 'settled', rejected: [], retry: ['b'] },
      { kind: 'retryable', failure: FAILURE },
    ];
    const { lines } = await follow('ab', () => outcomes.shift() ?? ACCEPTED);
    expect(lines).toEqual([
      'send ab 1',
      'delivered a',
      'left b: none',
      'send b 2',
      'left b: none',
      'send b 3',
      'delivered b',
    ]);
  });

  it('that was aborted leaves nothing to retry, and is the last', async () => {
    const abort = new AbortController();
    const answer = (): BatchOutcome => {
      abort.abort();
      return { kind: 'settled', rejected: [], retry: ['b'] };
    };
    const { lines, open } = await follow('ab', answer, { abort });
    expect([lines, open]).toEqual([['send ab 1', 'delivered a'], 'b']);
  });
});

describe('a refused batch', () => {
  it('is split, first half first, until the event at fault is alone', async () => {
    const { lines } = await follow('abcd', (batch) =>
      batch.includes('b') ? { kind: 'rejected', failure: FAILURE } : ACCEPTED,
    );
    expect(lines).toEqual([
      'send abcd 1',
      'send ab 1',
      'send a 1',
      'delivered a',
      'send b 1',
      'send cd 1',
      'delivered cd',
      'dropped b: rejected, no',
    ]);
  });

  it('costs up to 8 events while the receiver accepts none, and they count for the next batch', async () => {
    const answer = (): BatchOutcome => ({ kind: 'tooLarge', failure: FAILURE });
    const { lines, refusals } = await follow('abcdefgh', answer);
    expect(lines.filter((line) => line.startsWith('dropped'))).toHaveLength(8);
    expect(refusals.unproven).toBe(8);
    const next = await follow('x', answer, { refusals });
    expect(next.lines).toEqual(['send x 1', 'left x: refuses every event, refuses all']);
  });

  it('of more events is kept if the receiver also refuses a witness', async () => {
    const { lines, open } = await follow('abcdefghij', () => ({ kind: 'rejected', failure: FAILURE }));
    expect(lines.at(-1)).toBe('left abcdefghij: refuses every event, refuses all');
    expect(open).toBe('abcdefghij');
  });

  it('of more events loses those at fault if the receiver accepts a witness', async () => {
    const { lines, refusals } = await follow('abcdefghij', (batch) =>
      batch === 'j' ? ACCEPTED : { kind: 'rejected', failure: FAILURE },
    );
    expect(lines.filter((line) => line.startsWith('delivered'))).toEqual(['delivered j']);
    expect(lines.filter((line) => line.startsWith('dropped'))).toHaveLength(9);
    expect(refusals.unproven).toBe(0);
  });
});
