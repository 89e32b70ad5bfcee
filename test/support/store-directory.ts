import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, jest } from '@jest/globals';
import { type EventStore, type QueuedEvent, type Recovery } from 'nestjs-posthog-capture';
import { fileEventStore, type FileEventStoreOptions } from 'nestjs-posthog-capture/store';

export const REQUEST = { project: 'abc', maxEvents: 100_000, maxBytes: 1_000_000_000 };

/** A directory for stores in files, created for each test. */
export interface StoreDirectory {
  path: string;
  /** A store that is closed at the end of the test. */
  store(options?: Partial<FileEventStoreOptions>): EventStore;
  /** A store that reads on where it would return early, and what it recovers. */
  opened(
    options?: Partial<FileEventStoreOptions>,
    request?: object,
  ): Promise<Recovery & { readonly store: EventStore }>;
  /** Creates and closes a store with events in it, as after an outage. Returns the path of its file. */
  left(events: readonly QueuedEvent[], perTurn?: number): Promise<string>;
  namesOf(ending: string): Promise<string[]>;
}

export function useStoreDirectory(): StoreDirectory {
  const open: EventStore[] = [];

  beforeEach(async () => {
    directory.path = await mkdtemp(join(tmpdir(), 'event-store-'));
  });
  afterEach(async () => {
    jest.restoreAllMocks();
    for (const store of open.splice(0)) await store.close();
    await rm(directory.path, { recursive: true, force: true });
  });

  const directory: StoreDirectory = {
    path: '',
    store(options) {
      const store = fileEventStore({ path: directory.path, ...options });
      open.push(store);
      return store;
    },
    async opened(options, request) {
      const store = readOn(directory.store(options));
      return { store, ...(await store.recover({ ...REQUEST, ...request })) };
    },
    async left(events, perTurn = events.length) {
      const before = await directory.namesOf('.events');
      const { store } = await directory.opened({}, { maxEvents: 0 });
      for (let from = 0; from < events.length; from += perTurn) await store.append(events.slice(from, from + perTurn));
      await store.close();
      const [name = ''] = (await directory.namesOf('.events')).filter((one) => !before.includes(one));
      return join(directory.path, name);
    },
    namesOf: async (ending) => (await readdir(directory.path)).filter((name) => name.endsWith(ending)),
  };
  return directory;
}

/** A store returns what it can read within a second, which may be little on a busy machine. This one goes on. */
export function readOn(store: EventStore): EventStore {
  const recover = store.recover.bind(store);
  store.recover = async (request) => {
    const events: QueuedEvent[] = [];
    const warnings: string[] = [];
    for (;;) {
      const bytes = events.reduce((sum, event) => sum + event.bytes, 0);
      const limits = { maxEvents: request.maxEvents - events.length, maxBytes: request.maxBytes - bytes };
      const piece = await recover({ ...request, ...limits });
      events.push(...piece.events);
      warnings.push(...piece.warnings);
      if (piece.more !== true || piece.events.length === 0 || events.length >= request.maxEvents)
        return { ...piece, events, warnings };
    }
  };
  return store;
}
