/** Streams of a project that relays look after, whatever the number that pods write to. */
export const MAX_PARTITIONS = 16;

/**
 * The keys of one project. The keys of a partition share a hash tag, `{…}`, so that Redis Cluster keeps them on one node.
 *
 * ```
 * posthog:{9f2c…:0}:events    the stream of partition 0; an entry is a block of events
 * posthog:{9f2c…:0}:owner     the relay that holds it, for as long as its lease lasts
 * posthog:{9f2c…:0}:damaged   entries that cannot be read
 * posthog:{9f2c…}:relays      the living relays, by the time at which they count as dead
 * ```
 */
export class StreamKeys {
  readonly relays: string;
  readonly #start: string;

  /** @param prefix with the key prefix of the application's connection */
  constructor(
    readonly prefix: string,
    project: string,
  ) {
    this.#start = `${prefix}:{${project}`;
    this.relays = `${this.#start}}:relays`;
  }

  events(partition: number): string {
    return `${this.#start}:${partition}}:events`;
  }

  owner(partition: number): string {
    return `${this.#start}:${partition}}:owner`;
  }

  damaged(partition: number): string {
    return `${this.#start}:${partition}}:damaged`;
  }
}

const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

/** The partition of an order key: FNV-1a over its UTF-16 code units, folded, because the low bits alone are unevenly distributed. */
export function partitionOf(orderKey: string, partitions: number): number {
  let hash = FNV_OFFSET;
  for (let index = 0; index < orderKey.length; index += 1) {
    hash = Math.imul(hash ^ orderKey.charCodeAt(index), FNV_PRIME);
  }
  return ((hash ^ (hash >>> 16)) >>> 0) % partitions;
}
