import { type DefinedEvent } from '../events/defined-event.js';
import { AttachedState } from '../shared/attached-state.js';

/** The definitions that an instance knows. */
export interface KnownDefinitions {
  /** The definitions in option `events.catalog`. */
  readonly definitions: readonly DefinedEvent[];
  /** The definitions of captured events, unless they are in the catalog. */
  readonly seen: readonly DefinedEvent[];
}

/** Kept apart from the service, whose public API has no definitions. */
const known = new AttachedState<KnownDefinitions>('event-definitions');

export function allowDefinitions(capture: object, definitions: KnownDefinitions): void {
  known.set(capture, definitions);
}

/** undefined for a test double of the service. */
export function definitionsOf(capture: object): KnownDefinitions | undefined {
  return known.get(capture);
}
