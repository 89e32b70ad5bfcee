import { executionAsyncResource } from 'node:async_hooks';
import { processSingleton } from '../shared/process-singleton.js';

/**
 * One tick that stays, which keeps `process.nextTick()` as fast as it is before the first full collection; a request of Nest makes several ticks.
 * `npm run bench -- call` measures it.
 *
 * Node makes an object with computed keys for each tick. V8 compiles that for the hidden class that it has seen, which it holds weakly:
 * a full collection that meets no tick takes the class away, and from then on each key is a call into V8's runtime, for as long
 * as the process lives.
 *
 * Made when the package is loaded and not later: a tick holds what all AsyncLocalStorages held when it was made, and at boot that may be
 * a request.
 */
processSingleton('tick', () => {
  const kept: { tick?: object } = {};
  process.nextTick(() => {
    kept.tick = executionAsyncResource();
  });
  return kept;
});
