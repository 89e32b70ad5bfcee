import { type ContextScope, innermost, isWithin } from '../../context/context-scope.js';
import { processSingleton } from '../../shared/process-singleton.js';

/** The contexts that errors were thrown in: Nest's exception filters run outside of them, with another object for the same call. */
const scopes = processSingleton('error-scopes', () => new WeakMap<object, ContextScope>());
const wanted = processSingleton('error-scopes-wanted', () => ({ isWanted: false }));

/** Called when an application captures unhandled errors. */
export function wantErrorScopes(): void {
  wanted.isWanted = true;
}

export const areErrorScopesWanted = (): boolean => wanted.isWanted;

/** Keeps the context of an error, unless it is known to come from within it. */
export function noteScope(error: unknown, scope: ContextScope | undefined): void {
  if (!wanted.isWanted || scope === undefined || typeof error !== 'object' || error === null) return;
  const known = scopes.get(error);
  if (known === undefined || !isWithin(known, scope)) scopes.set(error, innermost(scope));
}

export const scopeOfError = (error: unknown): ContextScope | undefined =>
  typeof error === 'object' && error !== null ? scopes.get(error) : undefined;
