import { type ContextScope } from '../../context/context-scope.js';
import { processSingleton } from '../../shared/process-singleton.js';

/** The context in which a job runs, by the job, or by the payload of an event: an error that leaves the job has left the context as well. */
const scopes = processSingleton('restored-scopes', () => new WeakMap<object, ContextScope>());

export function noteRestored(carrier: unknown, scope: ContextScope | undefined): void {
  if (typeof carrier === 'object' && carrier !== null && scope !== undefined) scopes.set(carrier, scope);
}

export const restoredScope = (carrier: unknown): ContextScope | undefined =>
  typeof carrier === 'object' && carrier !== null ? scopes.get(carrier) : undefined;
