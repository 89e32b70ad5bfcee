import { processSingleton } from './process-singleton.js';

/** One `beforeExit` listener for all instances. */
const drains = processSingleton('before-exit', () => {
  const registered = new Set<() => Promise<unknown>>();
  process.on('beforeExit', () => {
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
 * Calls `flush` when the process exits, also after process.exit() and after an uncaught error.
 *
 * @param flush must be synchronous and must not throw
 * @returns unregisters `flush`
 */
export function onExit(flush: () => void): () => void {
  flushes.add(flush);
  return () => void flushes.delete(flush);
}
