import { processSingleton } from '../../shared/process-singleton.js';

/** Requests, as Node has them, that are no event of the application. */
const untracked = processSingleton('untracked-requests', () => new WeakSet());

/** Has option `requests` leave out a request for a page of this package itself. */
export function leaveUntracked(request: object): void {
  untracked.add(request);
}

export function isUntracked(request: object): boolean {
  return untracked.has(request);
}
