import { processSingleton } from '../shared/process-singleton.js';

/** What has to be written at once when the process exits. One listener serves all stores. */
const flushes = processSingleton('exit-flush', () => {
  const registered = new Set<() => void>();
  process.on('exit', () => {
    for (const flush of registered) flush();
  });
  return registered;
});

/**
 * Has `flush` called when the process exits: by itself, by process.exit(), or because of an uncaught error. It must be
 * synchronous and must not throw.
 *
 * @returns takes it back
 */
export function onExit(flush: () => void): () => void {
  flushes.add(flush);
  return () => void flushes.delete(flush);
}
