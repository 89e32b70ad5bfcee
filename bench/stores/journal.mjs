// The store of this package.
import { fileEventStore } from '../../dist/esm/stores/file-event-store.js';

export const journal = (path) => fileEventStore({ path, maxBytes: 1024 ** 3 });
