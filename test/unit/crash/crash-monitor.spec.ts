import { afterEach, expect, it } from '@jest/globals';
import { type CrashObserver, observeCrashes } from '../../../lib/crash/crash-monitor.js';
import { type HandOver } from '../../../lib/delivery/hand-over.js';

// In Jest, `process` is a copy without Node's own events.
const MONITOR = 'uncaughtExceptionMonitor';
const crash = (error: unknown, origin = 'uncaughtException'): boolean =>
  process.emit(MONITOR as never, error as never, origin as never);

const stop: (() => void)[] = [];
afterEach(() => {
  process.removeAllListeners('uncaughtException');
  for (const end of stop.splice(0)) end();
});

function observe(done: string[], capture: CrashObserver['capture']): () => void {
  const handOver = {
    begin: () => {
      done.push('handed over');
      return { events: [], settle: () => undefined };
    },
  } satisfies Pick<HandOver, 'begin'> as unknown as HandOver;
  const end = observeCrashes({ capture, handOver, usesStore: false, settings: () => null });
  stop.push(end);
  return end;
}

it('has one listener for all instances, as long as there is one', () => {
  const others = process.listenerCount(MONITOR);
  const ends = [observe([], () => null), observe([], () => null)];
  expect(process.listenerCount(MONITOR)).toBe(others + 1);
  ends[0]!();
  ends[0]!();
  expect(process.listenerCount(MONITOR)).toBe(others + 1);
  ends[1]!();
  expect(process.listenerCount(MONITOR)).toBe(others);
});

it('hands everything over once, also if capturing throws or crashes itself', () => {
  const done: string[] = [];
  observe(done, () => {
    crash(new Error('within a crash'));
    throw new Error('must not reach Node');
  });
  observe(done, (error, { level, type, source }) => {
    done.push(`${String(error)} ${level} ${type} ${source}`);
    return null;
  });
  crash(null, 'unhandledRejection');
  expect(done).toEqual([
    'null fatal onunhandledrejection node.process_unhandled_rejection',
    'handed over',
    'handed over',
  ]);
});

const captured =
  (done: string[]): CrashObserver['capture'] =>
  (error, { level }) => {
    done.push(`${(error as Error).message} ${level}`);
    return 'uuid';
  };

it('hands nothing over when the application has a listener, unless that ends the process later', async () => {
  const done: string[] = [];
  process.on('uncaughtException', () => undefined);
  observe(done, captured(done));
  observe(done, () => null);
  crash(new Error('survived'));
  await new Promise(setImmediate);
  expect(done).toEqual(['survived error']);
  process.emit('exit', 0);
  process.emit('exit', 0);
  expect(done.slice(1)).toEqual(['handed over', 'handed over']);
});

it('is a crash when the listener of the application ends the process itself', async () => {
  const done: string[] = [];
  process.on('uncaughtException', () => undefined);
  observe(done, captured(done));
  crash(new Error('fatal'));
  process.emit('exit', 0);
  await new Promise(setImmediate);
  expect(done).toEqual(['fatal fatal', 'handed over']);
});

it('hands everything over once when a survived error is followed by one that ends the process', async () => {
  const done: string[] = [];
  process.on('uncaughtException', () => undefined);
  observe(done, captured(done));
  crash(new Error('first'));
  await new Promise(setImmediate);
  process.removeAllListeners('uncaughtException');
  crash(new Error('second'));
  process.emit('exit', 0);
  expect(done).toEqual(['first error', 'second fatal', 'handed over']);
});
