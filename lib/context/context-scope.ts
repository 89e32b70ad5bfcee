import { AsyncLocalStorage } from 'node:async_hooks';
import { randomUUID } from 'node:crypto';
import { processSingleton } from '../shared/process-singleton.js';
import { type CallSource } from './call-source.js';
import { type CheckedContext, mergeContexts } from './capture-context.js';
import { flattenSteps, type StepHolder } from './exception-steps.js';
// Following a context costs each request some microseconds; where ticks would be slow, this regains most of them.
import './next-tick.js';

/** The feature flags of one call; opaque here. */
export interface CallFlags {
  /**
   * The values that were read, in JSON.
   *
   * @param carried values that the call got from another process
   */
  export(carried: CheckedContext['flags']): CheckedContext['flags'];
}

/**
 * A layer of context. Fields that a layer does not set are inherited from the layers below; a change of a layer is visible in those
 * above it. Plain data, because both builds of this package may share it within one process.
 */
export interface ContextScope extends StepHolder {
  readonly below: ContextScope | undefined;
  /** The call that this layer and those above belong to. Its own context ranks below all layers. */
  readonly source: CallSource | undefined;
  /** Number of layers below. */
  readonly depth: number;
  own: CheckedContext;
  personlessId: string | undefined;
  /** The tracked call whose method runs in this layer; opaque here. */
  openCall: object | undefined;
  /** Only in the lowest layer, which is that of the whole call. */
  flags: CallFlags | undefined;
  merged:
    { readonly below: CheckedContext; readonly own: CheckedContext; readonly context: CheckedContext } | undefined;
}

/**
 * The layer that code runs in. One AsyncLocalStorage for all transports and all instances, and for both builds of the package should a
 * process load them both.
 */
export const currentScope = processSingleton('context', () => new AsyncLocalStorage<ContextScope>());

/**
 * Deeper than any code nests on purpose: work that keeps restarting itself within its own context would add layers for ever.
 * The layers below are then flattened, and later changes to them have no effect.
 */
const MAX_DEPTH = 100;

/** Opens a layer. `source` defaults to that of the layers below. */
export function openScope(
  below: ContextScope | undefined,
  own: CheckedContext,
  source: CallSource | undefined = below?.source,
): ContextScope {
  const ground = below !== undefined && below.depth >= MAX_DEPTH ? flatten(below) : below;
  const depth = ground === undefined ? 0 : ground.depth + 1;
  return {
    below: ground,
    source,
    depth,
    own,
    personlessId: undefined,
    openCall: undefined,
    flags: undefined,
    merged: undefined,
    steps: undefined,
  };
}

function flatten(scope: ContextScope): ContextScope {
  const { source } = scope;
  const personlessId = personlessIdOf(scope);
  return {
    below: undefined,
    source,
    depth: 0,
    own: contextOf(scope),
    personlessId,
    openCall: undefined,
    flags: lowestLayer(scope).flags,
    merged: undefined,
    steps: flattenSteps(scope),
  };
}

/** The layer of the whole request, message or job. */
export function lowestLayer(scope: ContextScope): ContextScope {
  let lowest = scope;
  while (lowest.below !== undefined) lowest = lowest.below;
  return lowest;
}

/** All layers merged, without the context of their call. Computed again only after one of them has changed. */
export function contextOf(scope: ContextScope): CheckedContext {
  const { own } = scope;
  if (scope.below === undefined) return own;
  const below = contextOf(scope.below);
  if (scope.merged?.below !== below || scope.merged.own !== own) {
    scope.merged = { below, own, context: mergeContexts(below, own) };
  }
  return scope.merged.context;
}

export function changeScope(scope: ContextScope, more: CheckedContext): void {
  scope.own = mergeContexts(scope.own, more);
}

/**
 * The random id of anonymous events, shared by a layer and all above it that set no distinct id. Two persons never share one, and
 * there is a new one each time outside of any scope.
 */
export function personlessIdOf(scope: ContextScope | undefined): string {
  if (scope === undefined) return randomUUID();
  const { below } = scope;
  if (below !== undefined && scope.own.distinctId === undefined) return personlessIdOf(below);
  return (scope.personlessId ??= randomUUID());
}

/** The current layer if it lies within the given one, otherwise the given one. */
export function innermost(scope: ContextScope): ContextScope {
  const current = currentScope.getStore();
  return current !== undefined && isWithin(current, scope) ? current : scope;
}

/** Runs a function within a layer, unless it already does. */
export function within<T>(scope: ContextScope, fn: () => T): T {
  const current = currentScope.getStore();
  return current !== undefined && isWithin(current, scope) ? fn() : currentScope.run(scope, fn);
}

/** True for the scope itself and all layers above it. */
export function isWithin(layer: ContextScope, scope: ContextScope): boolean {
  for (let one: ContextScope | undefined = layer; one !== undefined; one = one.below) if (one === scope) return true;
  return false;
}
