import { fieldOf } from '../../shared/untrusted-values.js';
import { stackCalls } from './stack-calls.js';

/** The globals that `posthog-cli sourcemap inject` fills: from the stack of the injected code in each file to the id of the file. */
const MAPS = ['_debugIds', '_posthogChunkIds'];

interface Seen {
  readonly count: number;
  readonly last: string | undefined;
}

/** The ids by which PostHog finds the uploaded source map of a file. Files that are loaded later are found as well. */
export class ChunkIds {
  readonly #ids = new Map<string, string>();
  readonly #seen = new Map<string, Seen>();

  /** Looks for files that were loaded since. Never throws. */
  refresh(): void {
    for (const name of MAPS) {
      const map = fieldOf(globalThis, name);
      if (typeof map === 'object' && map !== null) this.#read(name, map);
    }
  }

  /** @param path as in a StackCall */
  idOf(path: string): string | undefined {
    return this.#ids.get(path);
  }

  #read(name: string, map: object): void {
    const stacks = Object.keys(map);
    const { count, last } = this.#seen.get(name) ?? { count: 0, last: undefined };
    // Files only add to a map, so nothing was added if the end is the same.
    if (stacks.length === count && stacks.at(-1) === last) return;
    const isLonger = count > 0 && stacks[count - 1] === last;
    for (const stack of stacks.slice(isLonger ? count : 0)) {
      const id = fieldOf(map, stack);
      const path = stackCalls(stack, '').at(-1)?.path;
      if (typeof id === 'string' && id !== '' && path !== undefined) this.#ids.set(path, id);
    }
    this.#seen.set(name, { count: stacks.length, last: stacks.at(-1) });
  }
}
