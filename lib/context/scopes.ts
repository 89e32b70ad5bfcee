import { AsyncLocalStorage } from 'node:async_hooks';
import { processSingleton } from '../shared/process-singleton.js';
import { type ContextScope } from './context-scope.js';
// Following a context costs each request some microseconds; where ticks would be slow, this gives back most of them.
import './next-tick.js';

/**
 * Who is acting now. One AsyncLocalStorage for all transports and all instances, and for both builds of the package should a
 * process have loaded them both.
 */
export const acting = processSingleton('context', () => new AsyncLocalStorage<ContextScope>());
