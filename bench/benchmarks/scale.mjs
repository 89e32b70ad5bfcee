// Checks that cost and memory stay flat: over millions of events, with many pending events, and with a slow server.
import { MIB, number } from '../support/numbers.mjs';
import { withProcess } from '../support/processes.mjs';
import { printTable, progress } from '../support/table.mjs';

const FOR_EVER_MS = 3_600_000;
/** No limit or timeout is reached while the server does not respond. */
const PATIENT = {
  requestTimeoutMs: FOR_EVER_MS,
  maxQueueEvents: 1_000_000,
  maxQueueBytes: 1024 * MIB,
  shutdownTimeoutMs: 0,
};
const WARM_UP = 20_000;

export async function scale(sink, { quick }) {
  await manyEvents(sink, quick ? [1000, 3000] : [10_000, 100_000, 1_000_000, 5_000_000]);
  const pending = await measurePending(sink, quick ? [100, 1000] : [1000, 10_000, 100_000]);
  printTable('scale: pending events while the server does not respond', [
    ['events pending', 'µs per capture()', 'bytes per event', 'memory per event', 'above its bytes'],
    ...pending.map((step) => [
      number(step.pending, 0),
      number(step.captureUs, 2),
      number(step.pendingBytes / step.pending, 0),
      number(step.heldBytes / step.pending, 0),
      number(overheadBytes(step), 0),
    ]),
  ]);
  const count = quick ? 5000 : 1_000_000;
  const { memory, peakBytes, perSecond, lost } = await measureSlow(sink, count);
  printTable(`scale: ${number(count, 0)} events with ready() before each, responses after 50 ms`, [
    ['', 'events/s', 'memory in use, MiB', 'peak RSS, MiB', 'lost'],
    [
      'nestjs-posthog-capture',
      number(perSecond, 0),
      `${number(Math.min(...memory) / MIB)}–${number(Math.max(...memory) / MIB)}`,
      number(peakBytes / MIB, 0),
      lost,
    ],
  ]);
}

/** Memory per pending event in addition to its JSON. */
export const overheadBytes = ({ heldBytes, pendingBytes, pending }) => (heldBytes - pendingBytes) / pending;

async function manyEvents(sink, totals) {
  await withProcess('client', {}, async (child) => {
    await sink.reset();
    await child.call('open', { name: 'ours', mode: 'v0', url: sink.url });
    await child.call('run', { count: WARM_UP });
    const rows = [];
    let before = 0;
    for (const total of totals) {
      progress(`scale: ${total} events`);
      const count = total - before;
      before = total;
      await sink.reset({ readsAtOnce: true, count });
      const { cpuUs, perSecond, peakBytes } = await child.call('run', { count });
      const heapBytes = await child.call('heapBytes');
      await sink.verified('nestjs-posthog-capture');
      const sizes = [heapBytes, peakBytes].map((bytes) => number(bytes / MIB, 0));
      rows.push([number(total, 0), number(cpuUs, 1), number(perSecond, 0), ...sizes]);
    }
    progress('');
    await child.call('close');
    printTable(
      'scale: events through one process, immediate responses (each row measures only the events since the row above)',
      [['events so far', 'CPU µs/event', 'events/s', 'heap MiB', 'peak RSS MiB'], ...rows],
    );
  });
}

/** Measures the cost of capturing and the memory in use for each number of pending events. */
export async function measurePending(sink, totals) {
  return withProcess('scale', {}, async (child) => {
    await sink.reset();
    await child.call('open', { url: sink.url, more: PATIENT });
    await child.call('fill', { first: 0, count: Math.min(WARM_UP, totals.at(-1)) });
    await child.call('begin');
    await sink.reset({ latencyMs: FOR_EVER_MS });
    const steps = [];
    let first = 0;
    for (const total of totals) {
      progress(`scale: ${total} events pending`);
      steps.push(await child.call('fill', { first, count: total - first }));
      first = total;
    }
    progress('');
    return steps;
  });
}

/** One process sends events to a server that responds after 50 ms. */
export async function measureSlow(sink, count) {
  return withProcess('scale', {}, async (child) => {
    progress('scale: a slow server');
    await sink.reset({ latencyMs: 50, readsAtOnce: true, count });
    await child.call('open', { url: sink.url });
    const measured = await child.call('pour', { count, samples: 10 });
    const { missing, repeated, strange } = await sink.report();
    progress('');
    return { ...measured, lost: missing + repeated + strange + measured.dropped + measured.pending };
  });
}
