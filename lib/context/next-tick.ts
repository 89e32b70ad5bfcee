import { executionAsyncResource } from 'node:async_hooks';
import { processSingleton } from '../shared/process-singleton.js';

/**
 * Keeps one tick alive for the life of the process, so that `process.nextTick()` stays as fast as before the first full garbage
 * collection. A request of Nest makes several ticks; `npm run bench -- call` measures the effect.
 *
 * Node creates an object with computed keys for each tick. V8 compiles that code for the object's hidden class, which it holds weakly:
 * a full collection that finds no tick alive discards the class, and from then on each key is a call into V8's runtime, permanently.
 *
 * Created when the package is loaded and not later: a tick holds the values of all AsyncLocalStorages at its creation, which during
 * a request would include that request.
 */
processSingleton('tick', () => {
  const kept: { tick?: object } = {};
  process.nextTick(() => {
    kept.tick = executionAsyncResource();
  });
  return kept;
});
