import { processSingleton } from './process-singleton.js';

/** By event, of both builds. An application may define the same event for several instances. */
const byEvent = processSingleton('personal-properties', () => new Map<string, Set<string>>());

/** Remembers the properties that identify a person, according to a definition of the event. */
export function rememberPersonal(event: string, names: readonly string[]): void {
  if (names.length > 0) byEvent.set(event, new Set([...(byEvent.get(event) ?? []), ...names]));
}

/** `beforeSend` may return any number of names. */
const MAX_RENAMED = 10_000;

/** Marks the properties of a renamed event as those of the original. */
export function inheritPersonal(event: string, original: string): void {
  const names = byEvent.get(original);
  if (names !== undefined && byEvent.size < MAX_RENAMED) rememberPersonal(event, [...names]);
}

/** The properties of an event that identify a person; undefined if there are none. */
export function personalOf(event: string): ReadonlySet<string> | undefined {
  return byEvent.get(event);
}
