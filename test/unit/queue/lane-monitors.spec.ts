import { expect, it } from '@jest/globals';
import { type CaptureQueue, type QueueProblem, type QueueSample } from '../../../lib/queue/capture-queue.js';
import { LaneMonitors } from '../../../lib/queue/lane-monitors.js';

const LOG = { warn: () => undefined, note: () => undefined };
const problem = (severity: QueueProblem['severity'], message: string): QueueProblem => ({
  severity,
  message,
  remedy: '',
});
const OK: QueueSample = {
  state: 'ok',
  events: 3,
  bytes: 300,
  oldestMs: 30,
  relays: 2,
  partitionsHeld: 4,
  problems: [problem('note', 'both')],
};
const FULL: QueueSample = {
  state: 'full',
  events: 4,
  bytes: 400,
  oldestMs: 40,
  relays: 1,
  partitionsHeld: 1,
  problems: [problem('down', 'only AI'), problem('note', 'both')],
};

function setUp(samples: Readonly<Record<string, QueueSample>>) {
  const sampled: string[] = [];
  let found = 0;
  const sample = (project: string): Promise<QueueSample> => {
    sampled.push(project);
    return Promise.resolve(samples[project]!);
  };
  const queue = { sample } as unknown as CaptureQueue;
  const monitors = new LaneMonitors(queue, 'shop', 'pod', LOG, () => (found += 1));
  return { monitors, sampled, found: () => found };
}

it('samples the AI events of a project as soon as there may be some, and adds them', async () => {
  const { monitors, sampled, found } = setUp({ shop: OK, 'shop+ai': FULL });
  monitors.start();
  await new Promise(setImmediate);
  expect([sampled, monitors.stats]).toEqual([['shop'], { ...OK, role: 'pod' }]);
  monitors.watchAi();
  await new Promise(setImmediate);
  expect([sampled, found()]).toEqual([['shop', 'shop+ai'], 1]);
  expect(monitors.stats).toEqual({
    role: 'pod',
    state: 'full',
    events: 7,
    bytes: 700,
    oldestMs: 40,
    relays: 2,
    partitionsHeld: 4,
    problems: [problem('down', 'only AI'), problem('note', 'both')],
  });
  monitors.stop();
});

it('finds no AI events in an empty queue', async () => {
  const { monitors, sampled, found } = setUp({ shop: OK, 'shop+ai': { ...OK, events: 0, bytes: 0, oldestMs: 0 } });
  monitors.watchAi();
  monitors.start();
  await new Promise(setImmediate);
  expect([sampled, found()]).toEqual([['shop', 'shop+ai'], 0]);
  expect(monitors.stats).toMatchObject({ events: 3, bytes: 300, oldestMs: 30 });
  monitors.stop();
});
