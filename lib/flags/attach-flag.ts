import { type CaptureService } from '../capture/capture.service.js';
import { changeScope, contextOf, type ContextScope, currentScope, lowestLayer } from '../context/context-scope.js';
import { type Warn } from '../shared/unknown-fields.js';
import { memosOf } from './call-memos.js';
import { type FlagValue } from './flag-snapshot.js';

const ACTIVE = '$active_feature_flags';
const SEVERAL =
  'flags of several persons were read in a call whose context has no person, so no values are attached to its events: wrap the work for each person in withContext({ distinctId })';

/**
 * Adds the value of a flag to all later events of the current call, and of its jobs. Values of another person than that of the context
 * are not added, nor is anything outside of a context.
 *
 * @param person whose value it is
 * @param contextPerson the person of the current context
 * @param warn called if the value is not added because of another person's
 */
export function attachFlag(
  capture: CaptureService,
  key: string,
  value: FlagValue,
  person: string,
  contextPerson: string | undefined,
  warn: Warn,
): void {
  const current = currentScope.getStore();
  if (current === undefined || (contextPerson !== undefined && contextPerson !== person)) return;
  if (contextPerson === undefined && !isOnlyPerson(current, key, person, warn)) return;
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

/** Without a person in the context, the events of several persons would get each other's values: then none are attached. */
function isOnlyPerson(current: ContextScope, key: string, person: string, warn: Warn): boolean {
  const memos = memosOf(current);
  const { attachedPerson = person, attachedKeys } = memos;
  if (attachedPerson === person) {
    memos.attachedPerson = person;
    attachedKeys.add(key);
    return true;
  }
  memos.attachedPerson = null;
  if (attachedKeys.size > 0) detach(lowestLayer(current), attachedKeys);
  attachedKeys.clear();
  warn(SEVERAL);
  return false;
}

function detach(layer: ContextScope, keys: ReadonlySet<string>): void {
  const attached = contextOf(layer).properties?.[ACTIVE];
  const active = Array.isArray(attached) ? attached.filter((key) => !keys.has(key as string)) : [];
  const gone = Object.fromEntries([...keys].map((key) => [`$feature/${key}`, undefined]));
  changeScope(layer, { properties: { ...gone, [ACTIVE]: active.length > 0 ? active : undefined } });
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
