// The part that all compared designs share: events of one turn form blocks, and removals are written with the next commit. Its cost is
// therefore the same in each, and a difference between two designs is that of their files.
import { BlockWriter, readBlock } from '../../dist/esm/records/event-block.js';

const BLOCK_EVENTS = 128;
const WITHOUT_FRAME = { before: 0, after: 0 };

/** Events that were committed together. `at` belongs to the backend. */
class Block {
  left = 0;
  removed = [];
  /** Has removals that have not been written. */
  changed = false;
  at = null;
}

/** An `EventStore` on a backend with `write(added, changed)`, `leftovers()` and `close()`. Ignores the limits of `recover`. */
export class BlockStore {
  #backend;
  #project;
  #writer;
  #new = [];
  #changed = [];
  #turn = null;
  #openBackend;

  constructor(openBackend) {
    this.#openBackend = openBackend;
  }

  async recover({ project }) {
    this.#project = project;
    this.#writer ??= new BlockWriter(project);
    this.#backend ??= this.#openBackend();
    const events = [];
    const warnings = [];
    for await (const { bytes, removed, at } of this.#backend.leftovers()) {
      const found = readBlock(bytes, this.#project);
      if (!found) {
        warnings.push('a damaged block');
        continue;
      }
      const block = new Block();
      block.at = at;
      block.removed = removed;
      const gone = new Set(removed);
      for (const [index, event] of found.entries()) {
        if (gone.has(index)) continue;
        event.place = { block, index };
        block.left += 1;
        events.push(event);
      }
    }
    return { events, warnings };
  }

  append(events) {
    for (const event of events) {
      let last = this.#new.at(-1);
      if (!last || last.events.length === BLOCK_EVENTS) this.#new.push((last = { block: new Block(), events: [] }));
      event.place = { block: last.block, index: last.events.length };
      last.events.push(event);
      last.block.left += 1;
    }
    return this.#atEndOfTurn();
  }

  remove(events) {
    for (const { place } of events) {
      const { block, index } = place;
      if (!block.changed) this.#changed.push(block);
      block.changed = true;
      block.removed.push(index);
      block.left -= 1;
    }
    return this.#atEndOfTurn();
  }

  async close() {
    this.#commit();
    await this.#backend.close();
  }

  #atEndOfTurn() {
    if (this.#turn) return this.#turn;
    this.#turn = new Promise((resolve, reject) => {
      setImmediate(() => {
        this.#turn = null;
        try {
          this.#commit();
          resolve();
        } catch (error) {
          reject(error);
        }
      });
    });
    return this.#turn;
  }

  #commit() {
    const added = this.#new;
    const changed = this.#changed;
    this.#new = [];
    this.#changed = [];
    for (const block of changed) block.changed = false;
    if (added.length + changed.length > 0) this.#backend.write(this.#serialized(added), changed);
  }

  /** Each must be written before the next is requested: they share a buffer. */
  *#serialized(added) {
    for (const { block, events } of added)
      yield { block, count: events.length, bytes: this.#writer.write(events, WITHOUT_FRAME) };
  }
}
