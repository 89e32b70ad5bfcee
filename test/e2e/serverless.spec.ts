import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, describe, expect, it } from '@jest/globals';
import { type DynamicModule, type INestApplicationContext, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { CaptureService, getCaptureToken, PostHogCaptureModule } from 'nestjs-posthog-capture';
import { type FlushLimits, withFlush } from 'nestjs-posthog-capture/serverless';
import { boot, captureMany, closeAll, expectBalanced, KEY, onClose, start, startPostHog } from '../support/harness.js';
import { PATIENCE_MS, until } from '../support/until.js';

afterEach(closeAll);

@Module({})
class Root {}

const PATIENT_FLUSH: FlushLimits = { timeoutMs: PATIENCE_MS };
const EVENT = { event: 'invoked', distinctId: 'user_123' };

type AnyHandler = (...args: never[]) => unknown;
type Invoke = (...args: unknown[]) => Promise<unknown>;

/** Nothing but the flush at the end of an invocation sends events. */
async function startFunction(
  handlerOf: (capture: CaptureService) => AnyHandler,
  limits: FlushLimits = PATIENT_FLUSH,
  options: object = {},
) {
  const harness = await start({ flushIntervalMs: 600_000, flushAt: 500, ...options });
  const { app, capture } = harness;
  const invoke = withFlush(() => ({ app, handler: handlerOf(capture) }), limits) as unknown as Invoke;
  return { ...harness, invoke };
}

const RESULT = { statusCode: 200 };
const ERROR = new TypeError('no such order');
type Callback = (error?: unknown, result?: unknown) => void;

describe('the result of a handler is passed on, and its events have arrived before', () => {
  it.each<[string, (act: () => void) => AnyHandler]>([
    [
      'a value',
      (act) => () => {
        act();
        return RESULT;
      },
    ],
    [
      'a promise',
      (act) => () =>
        turn()
          .then(act)
          .then(() => RESULT),
    ],
    [
      'a callback',
      (act) => (_event: unknown, _context: unknown, callback: Callback) => {
        void turn()
          .then(act)
          .then(() => callback(null, RESULT));
      },
    ],
    [
      'a promise, although a callback is called',
      (act) => async (_event: unknown, _context: unknown, callback: Callback) => {
        callback(ERROR);
        await turn();
        act();
        return RESULT;
      },
    ],
    [
      'a callback that is not declared',
      (act) =>
        (...args: unknown[]) => {
          act();
          (args[2] as Callback)(null, RESULT);
        },
    ],
  ])('%s', async (_, handlerOf) => {
    const { posthog, invoke } = await startFunction((capture) => handlerOf(() => void capture.capture(EVENT)));
    const given: unknown[] = [];
    expect(await invoke('event', {}, (...args: unknown[]) => given.push(args))).toBe(RESULT);
    expect(posthog.rows).toHaveLength(1);
    // The platform uses the promise.
    expect(given).toEqual([]);
  });

  it.each<[string, (act: () => void) => AnyHandler]>([
    [
      'an error',
      (act) => () => {
        act();
        throw ERROR;
      },
    ],
    [
      'a rejection',
      (act) => () =>
        turn().then(() => {
          act();
          throw ERROR;
        }),
    ],
    [
      'an error in the callback',
      (act) => (_event: unknown, _context: unknown, callback: Callback) => {
        act();
        callback(ERROR);
      },
    ],
  ])('%s', async (_, handlerOf) => {
    const { posthog, invoke } = await startFunction((capture) => handlerOf(() => void capture.capture(EVENT)));
    await expect(invoke('event', {})).rejects.toBe(ERROR);
    expect(posthog.rows).toHaveLength(1);
  });

  it('passes the arguments on unchanged', async () => {
    const seen: unknown[][] = [];
    const { invoke } = await startFunction(
      () =>
        (...args: unknown[]) =>
          void seen.push(args),
    );
    const [event, context] = [{ body: '' }, { awsRequestId: '1' }];
    await invoke(event, context);
    expect(seen).toHaveLength(1);
    expect(seen[0]).toHaveLength(2);
    expect(seen[0]![0]).toBe(event);
    expect(seen[0]![1]).toBe(context);
  });

  it('declares no parameters, as Lambda refuses a handler with a callback since Node.js 24', async () => {
    const { invoke } = await startFunction(
      () => (_event: unknown, _context: unknown, callback: Callback) => callback(),
    );
    expect(invoke).toHaveLength(0);
  });
});

it('flushes a streamed response when the stream has ended', async () => {
  const { posthog, capture, invoke } = await startFunction(() => (_event: unknown, stream: PassThrough) => {
    stream.write('first');
    return Promise.resolve();
  });
  const stream = new PassThrough();
  const over = invoke('event', stream, { getRemainingTimeInMillis: () => 2 * PATIENCE_MS });
  await once(stream, 'readable');
  capture.capture(EVENT);
  stream.end('last');
  stream.resume();
  await over;
  expect(stream.writableFinished).toBe(true);
  expect(posthog.rows).toHaveLength(1);
});

it('flushes all instances of the application', async () => {
  const [first, second] = [await startPostHog(), await startPostHog()];
  const quiet = { apiKey: KEY, flushIntervalMs: 600_000, logger: { log: () => 0, warn: () => 0, error: () => 0 } };
  const module: DynamicModule = {
    module: Root,
    imports: [
      PostHogCaptureModule.forRoot({ ...quiet, host: first.url }),
      PostHogCaptureModule.forRoot({ ...quiet, host: second.url, name: 'billing' }),
    ],
  };
  const app = await NestFactory.createApplicationContext(module, { logger: false });
  onClose(() => app.close());
  const handler = (): void => {
    app.get(CaptureService).capture(EVENT);
    app.get<CaptureService>(getCaptureToken('billing')).capture(EVENT);
  };
  await withFlush(() => ({ app, handler }), PATIENT_FLUSH)();
  expect([first.rows.length, second.rows.length]).toEqual([1, 1]);
});

it('boots once, and again after a failure', async () => {
  const { app, capture, posthog } = await start({ flushIntervalMs: 600_000 });
  const failure = new Error('the database is down');
  let boots = 0;
  const invoke = withFlush(async () => {
    boots += 1;
    await turn();
    if (boots === 1) throw failure;
    return { app, handler: (event: string) => capture.capture({ event, distinctId: 'user_123' }) };
  }, PATIENT_FLUSH);
  const failed = [invoke('a'), invoke('b')];
  for (const invocation of failed) await expect(invocation).rejects.toBe(failure);
  expect(boots).toBe(1);
  await Promise.all([invoke('c'), invoke('d')]);
  await invoke('e');
  expect(boots).toBe(2);
  expect(posthog.rows.map(({ event }) => event).sort()).toEqual(['c', 'd', 'e']);
});

describe('an event that cannot be sent in time', () => {
  it.each<[string, FlushLimits, unknown]>([
    ['timeoutMs', { timeoutMs: 200 }, {}],
    [
      'the time limit of the invocation',
      { timeoutMs: PATIENCE_MS, reserveMs: 300 },
      { getRemainingTimeInMillis: () => 500 },
    ],
    ['no time left', { timeoutMs: PATIENCE_MS, reserveMs: 1000 }, { getRemainingTimeInMillis: () => 500 }],
  ])('stays for the next invocation: %s', async (_, limits, context) => {
    const { posthog, capture, lines, invoke } = await startFunction(
      () => (name: string) => void capture.capture({ event: name, distinctId: 'user_123' }),
      limits,
    );
    posthog.fail({ hang: true });
    await invoke('first', context);
    await posthog.waitForRequests(1);
    expect(capture.stats()).toMatchObject({ pending: 1, dropped: 0 });
    expect(lines).toContainEqual(expect.stringContaining('1 events could not be sent at the end of the invocation'));
    // The request still hangs: it is sent again, as the connection may be dead.
    while (posthog.rows.length < 2) await invoke('next', context);
    expect(posthog.rows[0]!.event).toBe('first');
    await until(() => capture.stats().pending === 0);
    expect(capture.stats().requests.byStatus).not.toHaveProperty('timeout');
    expectBalanced(capture);
  });

  it('ignores a context whose time cannot be read', async () => {
    const { posthog, invoke } = await startFunction((capture) => () => void capture.capture(EVENT));
    const fail = (): never => {
      throw new Error('no time');
    };
    await invoke('event', { getRemainingTimeInMillis: fail });
    await invoke('event', { getRemainingTimeInMillis: () => NaN });
    expect(posthog.rows).toHaveLength(2);
  });
});

it('does not wait for the events that another invocation goes on to capture', async () => {
  let isEnding = false;
  const { posthog, invoke } = await startFunction((capture) => async (name: string) => {
    const captureOne = (): unknown => capture.capture({ event: name, distinctId: name });
    captureOne();
    while (name === 'endless' && !isEnding) {
      await turn();
      captureOne();
    }
  });
  const endless = invoke('endless');
  await invoke('short');
  expect(posthog.rows.map(({ event }) => event)).toContain('short');
  isEnding = true;
  await endless;
});

describe('callbackWaitsForEmptyEventLoop', () => {
  const isHeard = (listeners: number): Promise<void> => until(() => process.listenerCount('beforeExit') > listeners);

  it('waits for work that goes on after the callback, and keeps the instances open', async () => {
    const { posthog, capture, lines, invoke } = await startFunction(
      () => (_event: unknown, _context: unknown, callback: Callback) => callback(null, RESULT),
    );
    for (let invocation = 1; invocation <= 2; invocation += 1) {
      const before = process.listenerCount('beforeExit');
      const result = invoke('event', {
        callbackWaitsForEmptyEventLoop: true,
        getRemainingTimeInMillis: () => 4 * PATIENCE_MS,
      });
      await isHeard(before);
      capture.capture(EVENT);
      process.emit('beforeExit', 0);
      expect(await result).toBe(RESULT);
      expect(posthog.rows).toHaveLength(invocation);
    }
    expect(lines).not.toContainEqual(expect.stringContaining('Shut down'));
  });

  it('leaves no listener if the event loop is not empty in time', async () => {
    const { invoke } = await startFunction(
      () => (_event: unknown, _context: unknown, callback: Callback) => callback(null, RESULT),
    );
    await invoke('boot');
    const before = process.listenerCount('beforeExit');
    // 10 ms more than the defaults of timeoutMs and reserveMs.
    await invoke('event', { callbackWaitsForEmptyEventLoop: true, getRemainingTimeInMillis: () => 2510 });
    expect(process.listenerCount('beforeExit')).toBe(before);
  });

  it('does not wait if the handler sets it to false', async () => {
    const { posthog, invoke } = await startFunction(
      (capture) => (_event: unknown, context: { callbackWaitsForEmptyEventLoop: boolean }, callback: Callback) => {
        context.callbackWaitsForEmptyEventLoop = false;
        capture.capture(EVENT);
        callback(null, RESULT);
      },
    );
    expect(await invoke('event', { callbackWaitsForEmptyEventLoop: true })).toBe(RESULT);
    expect(posthog.rows).toHaveLength(1);
  });
});

describe('mistakes', () => {
  it.each<[unknown, string]>([
    [{ timeoutMs: -1 }, 'withFlush: timeoutMs: got -1; expected a whole number of milliseconds from 0 to 2147483647'],
    [
      { reserveMs: '5s' },
      'withFlush: reserveMs: got "5s"; expected a whole number of milliseconds from 0 to 2147483647',
    ],
    [{ timeout: 5 }, 'withFlush: timeout: there is no such option; expected timeoutMs or reserveMs'],
    [null, 'withFlush: got null; expected an object of options'],
  ])('refuses the options %p', (options, problem) => {
    const wrap = (): unknown => withFlush(() => Promise.reject(ERROR), options as FlushLimits);
    expect(wrap).toThrow(problem);
  });

  it.each<[string, (app: INestApplicationContext) => unknown, string]>([
    ['nothing', () => undefined, 'bootstrap must return { app, handler }; app: got nothing; expected the application'],
    ['only the application', (app) => app, 'app: got nothing'],
    [
      'no handler',
      (app) => ({ app }),
      'bootstrap must return { app, handler }; handler: got nothing; expected a function',
    ],
  ])('refuses %s as the result of bootstrap', async (_, resultOf, problem) => {
    const { app } = await start();
    await expect((withFlush(() => resultOf(app) as never) as Invoke)()).rejects.toThrow(problem);
  });

  it('refuses an application without the module', async () => {
    const app = await NestFactory.createApplicationContext({ module: Root }, { logger: false });
    onClose(() => app.close());
    const invoke = withFlush(() => ({ app, handler: () => RESULT }));
    await expect(invoke()).rejects.toThrow('import PostHogCaptureModule.forRoot() in its module');
  });
});

describe('option waitUntil', () => {
  it('is called during the first capture of a burst, with a promise that resolves when its events have arrived', async () => {
    const promises: Promise<unknown>[] = [];
    const { capture, posthog } = await start({
      flushIntervalMs: 600_000,
      waitUntil: (promise) => promises.push(promise),
    });
    captureMany(capture, 3);
    expect(promises).toHaveLength(1);
    await promises[0];
    expect(posthog.rows).toHaveLength(3);
    expect(posthog.requests).toHaveLength(1);
    captureMany(capture, 2);
    expect(promises).toHaveLength(2);
    await promises[1];
    expect(posthog.rows).toHaveLength(5);
  });

  it('resolves although more events follow for ever', async () => {
    const promises: Promise<unknown>[] = [];
    const { capture } = await start({ flushIntervalMs: 600_000, waitUntil: (promise) => promises.push(promise) });
    captureMany(capture, 1);
    const burst = { isOver: false };
    void promises[0]!.then(() => (burst.isOver = true));
    while (!burst.isOver) {
      captureMany(capture, 1);
      await turn();
    }
    expect(capture.stats().delivered).toBeGreaterThan(0);
  });

  it('resolves when PostHog is down, and the events are kept', async () => {
    const promises: Promise<unknown>[] = [];
    const { capture, posthog } = await start({
      maxRetries: 0,
      coolDownMs: 600_000,
      waitUntil: (p) => promises.push(p),
    });
    posthog.failAlways({ status: 503 });
    captureMany(capture, 1);
    await promises[0];
    expect(capture.stats()).toMatchObject({ pending: 1, dropped: 0 });
  });

  it.each<[string, () => unknown]>([
    [
      'throws',
      () => {
        throw new Error('outside a request');
      },
    ],
    ['rejects', () => Promise.reject(new Error('outside a request'))],
  ])('that %s is warned of once, and the events are sent', async (_, waitUntil) => {
    const posthog = await startPostHog();
    const { capture, lines } = await boot({ host: posthog.url, waitUntil });
    for (let count = 1; count <= 3; count += 1) {
      captureMany(capture, 1);
      await posthog.waitForEvents(count);
      await until(() => capture.stats().pending === 0);
    }
    await capture.flush();
    expect(lines.filter((line) => line.includes('waitUntil'))).toHaveLength(1);
  });
});
