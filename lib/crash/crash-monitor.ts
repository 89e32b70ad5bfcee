import { isMainThread } from 'node:worker_threads';
import { type CaptureBoundary } from '../capture/exception/capture-boundary.js';
import { type HandOver, type Remainder } from '../delivery/hand-over.js';
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
  readonly handOver: HandOver;
  /** null: a child process cannot send, because there is no key. */
  settings(): CrashSettings | null;
}

/**
 * The uncaught errors of this process or worker thread. It only watches: Node prints the error and ends the process as it would without
 * it, or the application's own listener handles the error.
 */
class CrashMonitor {
  /** With the uuid of the last crash that the process survived. */
  readonly #observers = new Map<CrashObserver, string | null>();
  readonly #onCrash = (error: unknown, origin: NodeJS.UncaughtExceptionOrigin): void => this.#crashed(error, origin);
  #isBusy = false;
  #stopWatchingExit: (() => void) | null = null;

  add(observer: CrashObserver): () => void {
    if (this.#observers.size === 0) process.on('uncaughtExceptionMonitor', this.#onCrash);
    this.#observers.set(observer, null);
    return () => this.#remove(observer);
  }

  #remove(observer: CrashObserver): void {
    if (!this.#observers.delete(observer) || this.#observers.size > 0) return;
    process.off('uncaughtExceptionMonitor', this.#onCrash);
    this.#stopWatchingExit?.();
    this.#stopWatchingExit = null;
  }

  /** Must not throw: Node would end the process with this error instead. */
  #crashed(error: unknown, origin: NodeJS.UncaughtExceptionOrigin): void {
    if (this.#isBusy) return;
    this.#isBusy = true;
    try {
      const isHandled = hasHandler();
      const boundary = boundaryOf(origin, !isHandled && isMainThread);
      const uuids = new Map(
        Array.from(this.#observers.keys(), (observer) => [observer, captureSafely(observer, error, boundary)]),
      );
      if (isHandled) this.#survived(uuids);
      else this.#deliver(uuids);
    } catch {
      // The process ends with its own error.
    }
    this.#isBusy = false;
  }

  /**
   * The events are sent as usual. But the application's listener may end the process, now with `process.exit()` or by throwing, or later
   * when it has written its logs.
   */
  #survived(uuids: ReadonlyMap<CrashObserver, string | null>): void {
    for (const [observer, uuid] of uuids) {
      if (uuid === null) continue;
      this.#observers.set(observer, uuid);
      if (observer.usesStore) observer.handOver.begin(true);
    }
    this.#stopWatchingExit ??= onExit(() => this.#exits());
  }

  #exits(): void {
    try {
      const open = [...this.#observers].filter(([{ handOver }, uuid]) => uuid !== null && handOver.holds(uuid));
      this.#deliver(new Map(open));
    } catch {
      // The process ends as usual.
    }
  }

  /** @param uuids of the events of the crash, by instance */
  #deliver(uuids: ReadonlyMap<CrashObserver, string | null>): void {
    const remainders: Remainder[] = [];
    const deliveries: CrashDelivery[] = [];
    for (const [observer, first] of uuids) {
      this.#observers.set(observer, null);
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
  const level = endsProcess ? 'fatal' : 'error';
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
