import { processSingleton } from '../shared/process-singleton.js';

type Ended = () => Promise<unknown>;

/** Beside the service, which does not know tracking. */
const openCalls = processSingleton('calls-at-shutdown', () => new WeakMap<object, Ended>());

/**
 * Has an instance wait at shutdown for the calls that are open then, because they capture events when they end.
 *
 * @param ended called once; resolves when the calls that are open at that moment have ended
 */
export function awaitCallsAtShutdown(capture: object, ended: Ended): void {
  openCalls.set(capture, ended);
}

/** undefined if nothing can be open. */
export function openCallsEnded(capture: object): Promise<unknown> | undefined {
  return openCalls.get(capture)?.();
}
