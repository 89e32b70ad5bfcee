import { executionAsyncResource } from 'node:async_hooks';
import { processWide } from '../process-wide.js';
import { NO_CONTEXT } from './capture-context.js';
import { openScope } from './context-scope.js';
import { acting } from './scopes.js';

/** One tick of each kind: as they are in contexts, and as they are as long as none was opened. */
const kept = processWide('ticks', () => new Map<boolean, object>());

/**
 * Keeps `process.nextTick()` as fast as it is in a young process. A request of Nest on Fastify makes nine ticks, and what a slow one
 * takes more is more than all that this package does for a request: this pays for the AsyncLocalStorage.
 *
 * Node makes an object with computed keys for each tick. V8 compiles that for the hidden class that it has seen, which it holds weakly:
 * the first full collection that meets no tick takes the class away, and from then on each key is a call into V8's runtime, for as
 * long as the process lives. 55 ns per tick become 300 on Node 20, and 370 to 430 on 22 and 24. One tick that stays prevents it.
 * `npm run bench -- call` measures it.
 *
 * It holds what AsyncLocalStorages hold while the application boots: an empty context of this package, and mostly nothing else.
 *
 * @param inContexts requests will have contexts, which their ticks and promises then have as a property. Switches the AsyncLocalStorage on, which costs all
 *   promises of the process something; so does the first request
 */
export function keepNextTickFast(inContexts: boolean): void {
  if (kept.has(inContexts)) return;
  const keep = (): void => process.nextTick(() => kept.set(inContexts, executionAsyncResource()));
  if (inContexts) acting.run(openScope(undefined, NO_CONTEXT), keep);
  else keep();
}
