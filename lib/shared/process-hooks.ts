import { processSingleton } from './process-singleton.js';

/** Number of reasons not to drain on `beforeExit`. */
const holds = processSingleton('before-exit-holds', () => ({ count: 0 }));

/** One `beforeExit` listener for all instances. */
const drains = processSingleton('before-exit', () => {
  const registered = new Set<() => Promise<unknown>>();
  process.on('beforeExit', () => {
    if (holds.count > 0) return;
    // Each once: work that a drain leaves behind must not keep the process alive.
    for (const drain of registered) {
      registered.delete(drain);
      void drain();
    }
  });
  return registered;
});

/** One `exit` listener for all stores. */
const flushes = processSingleton('exit', () => {
  const registered = new Set<() => void>();
  process.on('exit', () => {
    for (const flush of registered) flush();
  });
  return registered;
});

/**
 * Calls `drain` when the event loop is empty and the process is about to end. Not called when the process is killed or calls
 * process.exit().
 *
 * @returns unregisters `drain`
 */
export function onBeforeExit(drain: () => Promise<unknown>): () => void {
  drains.add(drain);
  return () => void drains.delete(drain);
}

/**
 * The process does not end although its event loop is empty, as on a platform that calls functions.
 *
 * @returns ends that
 */
export function holdBeforeExit(): () => void {
  holds.count += 1;
  return () => {
    holds.count -= 1;
  };
}

/**
 * Calls `flush` when the process exits, also after process.exit() and after an uncaught error.
 *
 * @param flush must be synchronous and must not throw
 * @returns unregisters `flush`
 */
export function onExit(flush: () => void): () => void {
  flushes.add(flush);
  return () => void flushes.delete(flush);
}
