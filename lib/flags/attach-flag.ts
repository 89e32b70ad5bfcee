import { type CaptureService } from '../capture/capture.service.js';
import { changeScope, contextOf, type ContextScope, currentScope } from '../context/context-scope.js';
import { type FlagValue } from './flag-snapshot.js';

const ACTIVE = '$active_feature_flags';

/**
 * Adds the value of a flag to all later events of the current call, and of its jobs. Values of another person than that of the context
 * are not added, nor is anything outside of a context.
 *
 * @param person whose value it is
 * @param contextPerson the person of the current context
 */
export function attachFlag(
  capture: CaptureService,
  key: string,
  value: FlagValue,
  person: string,
  contextPerson: string | undefined,
): void {
  const current = currentScope.getStore();
  if (current === undefined || (contextPerson !== undefined && contextPerson !== person)) return;
  const name = `$feature/${key}`;
  if (contextOf(current).properties?.[name] === value) return;
  const layer = layerOf(current, contextPerson, capture);
  const attached = contextOf(layer).properties?.[ACTIVE];
  const active = new Set<unknown>(Array.isArray(attached) ? attached : []);
  if (value === false) active.delete(key);
  else active.add(key);
  // Left out when empty, as posthog-node does: undefined is not written.
  changeScope(layer, { properties: { [name]: value, [ACTIVE]: active.size > 0 ? [...active].sort() : undefined } });
}

/** The lowest layer of the call that has the same person: what follows after the current function must have the value too. */
function layerOf(current: ContextScope, person: string | undefined, capture: CaptureService): ContextScope {
  let layer = current;
  while (layer.below !== undefined) {
    const { below } = layer;
    const isSame =
      layer.own.distinctId === undefined || currentScope.run(below, () => capture.context.get().distinctId) === person;
    if (!isSame) break;
    layer = below;
  }
  return layer;
}
