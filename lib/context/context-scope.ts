import { randomUUID } from 'node:crypto';
import { type ActingContext, NO_CONTEXT } from './capture-context.js';
import { type CallSource } from './call-source.js';

/**
 * One layer of who is acting. What a layer does not say, the layers below say; a change of a layer shows in those
 * above it. Plain data, because the two builds of this package may share it within one process.
 */
export interface ContextScope {
  readonly below: ContextScope | undefined;
  /** The call that this layer and those above belong to; what it says of who acts counts below all layers. */
  readonly source: CallSource | undefined;
  /** Layers below. */
  readonly depth: number;
  own: ActingContext;
  personlessId: string | undefined;
  /** The call that a method runs for in this layer, to whoever tracks calls; opaque here. */
  serves: object | undefined;
  merged: { readonly below: ActingContext; readonly own: ActingContext; readonly context: ActingContext } | undefined;
}

/**
 * More layers than any code has on purpose: work that starts itself again within its own context puts one upon the other for ever.
 * Those below are then one, and no longer change.
 */
const MAX_DEPTH = 100;

/** Opens a layer. `source` defaults to that of the layers below. */
export function openScope(
  below: ContextScope | undefined,
  own: ActingContext,
  source: CallSource | undefined = below?.source,
): ContextScope {
  const ground = below !== undefined && below.depth >= MAX_DEPTH ? levelled(below) : below;
  const depth = ground === undefined ? 0 : ground.depth + 1;
  return { below: ground, source, depth, own, personlessId: undefined, serves: undefined, merged: undefined };
}

/** All layers as a single one. */
function levelled(scope: ContextScope): ContextScope {
  const { source } = scope;
  const personlessId = personlessIdOf(scope);
  return {
    below: undefined,
    source,
    depth: 0,
    own: contextOf(scope),
    personlessId,
    serves: undefined,
    merged: undefined,
  };
}

/** All layers as one, without what their call says. Computed again only after one of them has changed. */
export function contextOf(scope: ContextScope): ActingContext {
  const { own } = scope;
  if (scope.below === undefined) return own;
  const below = contextOf(scope.below);
  if (scope.merged?.below !== below || scope.merged.own !== own) {
    scope.merged = { below, own, context: mergeContexts(below, own) };
  }
  return scope.merged.context;
}

/** Lays more over what a layer says. */
export function changeScope(scope: ContextScope, more: ActingContext): void {
  scope.own = mergeContexts(scope.own, more);
}

/** The random id of those who act without a name: one for a layer and all above it that name nobody. Never the same for two persons. */
export function personlessIdOf(scope: ContextScope): string {
  const { below } = scope;
  if (below !== undefined && scope.own.distinctId === undefined) return personlessIdOf(below);
  return (scope.personlessId ??= randomUUID());
}

export function mergeContexts(below: ActingContext, above: ActingContext): ActingContext {
  if (above === NO_CONTEXT) return below;
  if (below === NO_CONTEXT) return above;
  return {
    distinctId: above.distinctId ?? below.distinctId,
    sessionId: above.sessionId ?? below.sessionId,
    groups: mergeBags(below.groups, above.groups),
    properties: mergeBags(below.properties, above.properties),
    optedOut: above.optedOut ?? below.optedOut,
  };
}

function mergeBags<T>(
  below: Readonly<Record<string, T>> | undefined,
  above: Readonly<Record<string, T>> | undefined,
): Readonly<Record<string, T>> | undefined {
  return below !== undefined && above !== undefined ? { ...below, ...above } : (above ?? below);
}
