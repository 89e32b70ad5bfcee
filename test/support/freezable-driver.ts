import { type RedisDriver } from '../../lib/redis/redis-connections.js';

/** Connections of processes that can be frozen: their commands wait. */
export class FreezableProcesses {
  readonly #states: { thawed: Promise<unknown> }[] = [];

  /** The driver of another process. */
  driver(driver: RedisDriver): RedisDriver {
    const state = { thawed: Promise.resolve() as Promise<unknown> };
    this.#states.push(state);
    const open: RedisDriver['open'] = (events) => {
      const connection = driver.open(events);
      const call: typeof connection.call = async (command, args) => {
        await state.thawed;
        return connection.call(command, args);
      };
      return { opened: connection.opened, close: () => connection.close(), call };
    };
    return { keyPrefix: driver.keyPrefix, isCluster: driver.isCluster, open };
  }

  /** Freezes the processes that there are now, until the returned function is called. */
  freeze(): () => void {
    let thaw = (): void => undefined;
    const thawed = new Promise<void>((resolve) => (thaw = resolve));
    for (const state of this.#states) state.thawed = thawed;
    return () => thaw();
  }
}
