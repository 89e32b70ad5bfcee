import { type EventStore } from '../delivery/durability/event-store.js';

/**
 * The store that option `store` means: a path stands for an LMDB store with defaults. Nothing of it is loaded unless it is
 * asked for.
 */
export async function eventStoreOf(option: EventStore | string): Promise<EventStore> {
  if (typeof option !== 'string') return option;
  const { lmdbEventStore } = await import('../stores/lmdb-event-store.js');
  return lmdbEventStore({ path: option });
}
