import { backgroundTimer, stopTimer } from '../delivery/timers.js';
import { fieldOf } from '../shared/untrusted-values.js';

export type Handler = (...args: readonly unknown[]) => unknown;

/**
 * Calls a handler of any form. Resolves when its result is known and the invocation is over for the platform, too: the response stream has
 * ended, or the event loop is empty, which `callbackWaitsForEmptyEventLoop` asks for.
 *
 * @param maxWaitMs maximum time to wait for that, once the result is known
 */
export async function invokeHandler(
  handler: Handler,
  args: readonly unknown[],
  maxWaitMs: () => number,
): Promise<unknown> {
  const [, second, third] = args;
  if (isWritable(second)) {
    const ended = streamEnded(second);
    const result = await handler(...args);
    await withinBackground(ended, maxWaitMs());
    return result;
  }
  if (handler.length <= 2 && typeof third !== 'function') return handler(...args);
  return invokeWithCallback(handler, args, maxWaitMs);
}

async function invokeWithCallback(
  handler: Handler,
  [event, context, , ...rest]: readonly unknown[],
  maxWaitMs: () => number,
): Promise<unknown> {
  const call = new CallbackCall();
  const returned = handler(event, context, call.callback, ...rest);
  if (typeof fieldOf(returned, 'then') === 'function') return returned;
  if (handler.length <= 2 && !call.isOver) return returned;
  try {
    return await call.result;
  } finally {
    // Handlers set it while they run.
    if (fieldOf(context, 'callbackWaitsForEmptyEventLoop') === true) await loopEmpty(maxWaitMs());
  }
}

/** The callback of one invocation. */
class CallbackCall {
  isOver = false;
  readonly callback: (error?: Error | null, result?: unknown) => void;
  readonly result: Promise<unknown>;

  constructor() {
    let settle: CallbackCall['callback'] = () => undefined;
    this.result = new Promise((resolve, reject) => {
      settle = (error, result) => {
        if (error === null || error === undefined) resolve(result);
        else reject(error);
      };
    });
    // A handler may also return a promise, whose result is used.
    this.result.catch(() => undefined);
    this.callback = (error, result) => {
      this.isOver = true;
      settle(error, result);
    };
  }
}

/** The stream of a response. */
interface Writable {
  readonly writableFinished?: boolean;
  once(event: string, listener: () => void): unknown;
}

function isWritable(value: unknown): value is Writable {
  return ['write', 'end', 'once'].every((method) => typeof fieldOf(value, method) === 'function');
}

function streamEnded(stream: Writable): Promise<void> {
  return new Promise((resolve) => {
    for (const event of ['finish', 'close']) stream.once(event, resolve);
  });
}

/** An empty event loop emits `beforeExit`, on which the runtime of Lambda relies as well. */
async function loopEmpty(timeoutMs: number): Promise<void> {
  let onEmpty = (): void => undefined;
  const isEmpty = new Promise<void>((resolve) => (onEmpty = resolve));
  process.once('beforeExit', onEmpty);
  await withinBackground(isEmpty, timeoutMs);
  // An event loop that is never empty would get a listener from each invocation.
  process.removeListener('beforeExit', onEmpty);
}

/** Resolves with the promise, or at the time limit. Does not keep the process alive. */
async function withinBackground(promise: Promise<void>, timeoutMs: number): Promise<void> {
  if (timeoutMs <= 0) return;
  await new Promise<void>((resolve) => {
    const timer = backgroundTimer(resolve, timeoutMs);
    void promise.then(() => {
      stopTimer(timer);
      resolve();
    });
  });
}
