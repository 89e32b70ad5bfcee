import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { type CaptureQueue, type QueueSample } from '../../../lib/queue/capture-queue.js';
import { QueueMonitor } from '../../../lib/queue/queue-monitor.js';
import { POD } from '../../support/quiet-stats.js';

const QUIET: QueueSample = POD;

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

/** A monitor of a queue that returns these samples in turn, the last one for ever. */
function monitorOf(...samples: readonly (QueueSample | Error)[]) {
  const lines: string[] = [];
  const projects: string[] = [];
  const queue = {
    sample: (project: string) => {
      projects.push(project);
      const sample = samples[Math.min(projects.length, samples.length) - 1];
      return sample instanceof Error ? Promise.reject(sample) : Promise.resolve(sample);
    },
  } as unknown as CaptureQueue;
  const log = {
    warn: (_kind: string, text: string) => void lines.push(`warn ${text}`),
    note: (_kind: string, text: string) => void lines.push(`note ${text}`),
  };
  return { monitor: new QueueMonitor(queue, 'the project', 'pod', log), lines, projects };
}

describe('a queue monitor', () => {
  it('knows nothing before the first sample', () => {
    const { monitor } = monitorOf(QUIET);
    expect(monitor.stats).toEqual({
      role: 'pod',
      state: 'ok',
      events: null,
      bytes: null,
      oldestMs: null,
      relays: null,
      partitionsHeld: 0,
      problems: [],
    });
  });

  it('samples at once and every five seconds, until it is stopped', async () => {
    const { monitor, projects } = monitorOf(QUIET, { ...QUIET, events: 7 });
    monitor.start();
    await jest.advanceTimersByTimeAsync(0);
    expect(monitor.stats).toEqual({ ...QUIET, role: 'pod' });
    await jest.advanceTimersByTimeAsync(4999);
    expect(projects).toEqual(['the project']);
    await jest.advanceTimersByTimeAsync(1);
    expect(monitor.stats.events).toBe(7);
    monitor.stop();
    await jest.advanceTimersByTimeAsync(60_000);
    expect(projects).toHaveLength(2);
    expect(jest.getTimerCount()).toBe(0);
  });

  it('is not restarted by a sample that arrives after the stop', async () => {
    const { monitor } = monitorOf(QUIET);
    monitor.start();
    monitor.stop();
    await jest.advanceTimersByTimeAsync(60_000);
    expect(jest.getTimerCount()).toBe(0);
  });

  it('survives a sample that rejects, against its contract', async () => {
    const { monitor } = monitorOf(new Error('no'), QUIET);
    monitor.start();
    await jest.advanceTimersByTimeAsync(0);
    expect(monitor.stats.state).toBe('down');
    await jest.advanceTimersByTimeAsync(5000);
    expect(monitor.stats.state).toBe('ok');
  });

  it('logs problems with their remedies, and a note once', async () => {
    const problems: QueueSample['problems'] = [
      { severity: 'down', message: 'It deletes events', remedy: 'set noeviction' },
      { severity: 'note', message: 'It has no replica', remedy: 'add one' },
    ];
    const { monitor, lines } = monitorOf({ ...QUIET, problems });
    monitor.start();
    await jest.advanceTimersByTimeAsync(5000);
    expect(lines).toEqual([
      'warn It deletes events. Remedy: set noeviction.',
      'note It has no replica. Remedy: add one.',
      'warn It deletes events. Remedy: set noeviction.',
    ]);
  });
});

describe('events that no relay takes', () => {
  it.each<[string, Partial<QueueSample>, number]>([
    ['for a minute', { relays: 0, oldestMs: 60_000 }, 0],
    ['for more than a minute', { relays: 0, oldestMs: 60_001 }, 1],
    ['for hours, while a relay lives', { relays: 1, oldestMs: 7_200_000 }, 0],
    ['for an unknown time', { relays: 0, oldestMs: null }, 0],
    ['while the number of relays is unknown', { relays: null, oldestMs: 7_200_000 }, 0],
  ])('%s', async (_what, sample, count) => {
    const { monitor, lines } = monitorOf({ ...QUIET, events: 3, ...sample });
    monitor.start();
    await jest.advanceTimersByTimeAsync(0);
    expect(monitor.stats.problems).toHaveLength(count);
    expect(lines.filter((line) => line.includes('no relay takes them'))).toHaveLength(count);
  });

  it('are reported between worse and lesser problems', async () => {
    const problem = (severity: 'down' | 'note') => ({ severity, message: severity, remedy: '' });
    const { monitor } = monitorOf({
      ...QUIET,
      relays: 0,
      oldestMs: 61_000,
      problems: [problem('down'), problem('note')],
    });
    monitor.start();
    await jest.advanceTimersByTimeAsync(0);
    expect(monitor.stats.problems.map(({ severity }) => severity)).toEqual(['down', 'degraded', 'note']);
  });
});
