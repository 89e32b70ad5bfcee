import { type Database } from '../../lib/outbox/database.js';

/** Databases of processes that can be frozen: their statements wait. */
export class FreezableDatabases {
  readonly #states: { thawed: Promise<unknown> }[] = [];

  /** The database of another process. */
  wrap(database: Database): Database {
    const state = { thawed: Promise.resolve() as Promise<unknown> };
    this.#states.push(state);
    return {
      read: async (text) => {
        await state.thawed;
        return database.read(text);
      },
      write: async (text) => {
        await state.thawed;
        return database.write(text);
      },
    };
  }

  /** Freezes the processes that there are now, until the returned function is called. */
  freeze(): () => void {
    let thaw = (): void => undefined;
    const thawed = new Promise<void>((resolve) => (thaw = resolve));
    for (const state of this.#states) state.thawed = thawed;
    return () => thaw();
  }
}
