import { processSingleton } from './process-singleton.js';
import { RecentMap } from './recent-map.js';

/** Events may be defined at run time, and `beforeSend` may return any number of names. */
const MIN_EVENTS = 10_000;

/** By event, of both builds. An application may define the same event for several instances. */
const byEvent = processSingleton('personal-properties', () => new RecentMap<Set<string>>(MIN_EVENTS));

/**
 * Remembers the properties that identify a person, according to a definition of the event. Called again for each captured event, because
 * the events that were used last are remembered.
 */
export function rememberPersonal(event: string, names: Iterable<string>): void {
  const known = byEvent.get(event);
  const added = new Set(names);
  if (known !== undefined) for (const name of added) known.add(name);
  else if (added.size > 0) byEvent.set(event, added);
}

/** Marks the properties of a renamed event as those of the original. */
export function inheritPersonal(event: string, original: string): void {
  const names = byEvent.get(original);
  if (names !== undefined) rememberPersonal(event, names);
}

/** The properties of an event that identify a person; undefined if there are none. */
export function personalOf(event: string): ReadonlySet<string> | undefined {
  return byEvent.get(event);
}
