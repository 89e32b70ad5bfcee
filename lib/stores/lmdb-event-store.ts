/**
 * The former name of the store in files. It does not need the package `lmdb` any more.
 *
 * @deprecated Use `nestjs-posthog-capture/store`.
 * @module nestjs-posthog-capture/lmdb
 */
import { type EventStore } from '../delivery/durability/event-store.js';
import { fileEventStore, type FileEventStoreOptions } from './file-event-store.js';

/**
 * Options of `lmdbEventStore`.
 *
 * @deprecated Use `FileEventStoreOptions` of `nestjs-posthog-capture/store`.
 */
export type LmdbEventStoreOptions = FileEventStoreOptions;

/**
 * The same as `fileEventStore`. Events in a directory of version 0.1 are taken over.
 *
 * @deprecated Use `fileEventStore` of `nestjs-posthog-capture/store`.
 * @throws PostHogConfigurationError if an option is invalid. The directory is checked at boot.
 */
export function lmdbEventStore(options: FileEventStoreOptions): EventStore {
  return fileEventStore(options);
}

export { type EventStore } from '../delivery/durability/event-store.js';
