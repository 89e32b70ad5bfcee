import { processSingleton } from './process-singleton.js';

/** Instances that want to send what they hold when nothing else is left to do. One listener serves them all. */
const drains = processSingleton('process-end', () => {
  const registered = new Set<() => Promise<unknown>>();
  process.on('beforeExit', () => {
    // Each once: whatever a drain leaves behind must not keep the process from ending.
    for (const drain of registered) {
      registered.delete(drain);
      void drain();
    }
  });
  return registered;
});

/**
 * Has `drain` called when the process would end because nothing is left to do. A process that is killed, or that calls
 * process.exit(), does not come by here.
 *
 * @returns takes it back
 */
export function onProcessEnd(drain: () => Promise<unknown>): () => void {
  drains.add(drain);
  return () => drains.delete(drain);
}
