import { AsyncResource } from 'node:async_hooks';
import { isMainThread } from 'node:worker_threads';
import { type CaptureBoundary } from '../capture/exception/capture-boundary.js';
import { type HandsOver, type Remainder } from '../delivery/hand-over.js';
import { onExit } from '../shared/process-hooks.js';
import { processSingleton } from '../shared/process-singleton.js';
import { type CrashDelivery, type CrashSettings } from './crash-message.js';
import { sendFromChild } from './send-from-child.js';

/** An instance that captures crashes. */
export interface CrashObserver {
  /** Captures the error in the current context. Returns the uuid of its event, or null. */
  capture(error: unknown, boundary: CaptureBoundary): string | null;
  /** false: a child process sends all events, even those that a store has. */
  readonly usesStore: boolean;
  readonly handOver: HandsOver;
  /** null: a child process cannot send, because there is no key. */
  settings(): CrashSettings | null;
}

/** An exit within this time after an uncaught error is that of a listener that has written its logs first. */
const EXIT_AFTER_MS = 10_000;

/** The uuid of the event of a crash, or null, by instance. */
type Uuids = ReadonlyMap<CrashObserver, string | null>;
type Capture = (endsProcess: boolean) => Uuids;

/**
 * The uncaught errors of this process or worker thread. It only watches: Node prints the error and ends the process as it would without
 * it, or the application's own listener handles the error.
 */
class CrashMonitor {
  readonly #observers = new Set<CrashObserver>();
  readonly #onCrash = (error: unknown, origin: NodeJS.UncaughtExceptionOrigin): void => this.#crashed(error, origin);
  /** Errors that a listener of the application is handling. */
  readonly #undecided = new Set<Capture>();
  /** The last error that a listener of the application has handled. */
  #survivors: Uuids = new Map();
  #survivedAt = -Infinity;
  #isBusy = false;
  #stopWatchingExit: (() => void) | null = null;

  add(observer: CrashObserver): () => void {
    if (this.#observers.size === 0) process.on('uncaughtExceptionMonitor', this.#onCrash);
    this.#observers.add(observer);
    return () => this.#remove(observer);
  }

  #remove(observer: CrashObserver): void {
    if (!this.#observers.delete(observer) || this.#observers.size > 0) return;
    process.off('uncaughtExceptionMonitor', this.#onCrash);
    this.#stopWatchingExit?.();
    this.#stopWatchingExit = null;
    this.#survivors = new Map();
  }

  /** Must not throw: Node would end the process with this error instead. */
  #crashed(error: unknown, origin: NodeJS.UncaughtExceptionOrigin): void {
    if (this.#isBusy) return;
    this.#isBusy = true;
    try {
      if (hasHandler()) this.#wait((endsProcess) => this.#capture(error, boundaryOf(origin, endsProcess)));
      else this.#deliver(this.#capture(error, boundaryOf(origin, true)));
    } catch {
      // The process ends with its own error.
    }
    this.#isBusy = false;
  }

  #capture(error: unknown, boundary: CaptureBoundary): Uuids {
    return new Map(Array.from(this.#observers, (observer) => [observer, captureSafely(observer, error, boundary)]));
  }

  /** Waits until the application's listener returns. It may end the process, immediately or when it has written its logs. */
  #wait(capture: Capture): void {
    const undecided = AsyncResource.bind(capture);
    this.#undecided.add(undecided);
    this.#stopWatchingExit ??= onExit(() => this.#exits());
    process.nextTick(() => {
      if (this.#undecided.delete(undecided)) this.#survived(undecided(false));
    });
  }

  /** The events are sent as usual. */
  #survived(uuids: Uuids): void {
    this.#survivedAt = performance.now();
    this.#survivors = uuids;
    try {
      for (const { usesStore, handOver } of uuids.keys()) if (usesStore) handOver.begin(true);
    } catch {
      // The process continues.
    }
  }

  #exits(): void {
    try {
      const undecided = [...this.#undecided].flatMap((capture) => [...capture(true)]);
      const isRecent = performance.now() - this.#survivedAt < EXIT_AFTER_MS;
      const survivors = isRecent ? [...this.#survivors].filter(([observer]) => this.#observers.has(observer)) : [];
      this.#undecided.clear();
      this.#deliver(new Map([...survivors, ...undecided]));
    } catch {
      // The process ends as usual.
    }
  }

  /** @param uuids of the events of the crash, by instance */
  #deliver(uuids: Uuids): void {
    // The exit that follows has nothing left to do.
    this.#survivedAt = -Infinity;
    const remainders: Remainder[] = [];
    const deliveries: CrashDelivery[] = [];
    for (const [observer, first] of uuids) {
      const remainder = observer.handOver.begin(observer.usesStore);
      const settings = observer.settings();
      if (remainder.events.length === 0 || settings === null) continue;
      remainders.push(remainder);
      deliveries.push({ settings, first, events: remainder.events });
    }
    if (deliveries.length === 0) return;
    const startedAt = performance.now();
    const delivered = sendFromChild(deliveries);
    const durationMs = Math.round(performance.now() - startedAt);
    for (const [index, remainder] of remainders.entries()) remainder.settle(delivered[index] ?? new Set(), durationMs);
  }
}

/** One listener for all instances of this process or thread. */
const monitor = processSingleton('crash-monitor', () => new CrashMonitor());

/** @returns unregisters the instance */
export const observeCrashes = (observer: CrashObserver): (() => void) => monitor.add(observer);

/** True if the process may survive an uncaught error. */
const hasHandler = (): boolean =>
  process.listenerCount('uncaughtException') > 0 || process.hasUncaughtExceptionCaptureCallback();

/** Also the end of a worker thread is `error`: the process may go on. */
function boundaryOf(origin: NodeJS.UncaughtExceptionOrigin, endsProcess: boolean): CaptureBoundary {
  const level = endsProcess && isMainThread ? 'fatal' : 'error';
  return origin === 'unhandledRejection'
    ? { level, type: 'onunhandledrejection', handled: false, source: 'node.process_unhandled_rejection' }
    : { level, type: 'onuncaughtexception', handled: false, source: 'node.process_uncaught_exception' };
}

function captureSafely(observer: CrashObserver, error: unknown, boundary: CaptureBoundary): string | null {
  try {
    return observer.capture(error, boundary);
  } catch {
    return null;
  }
}
