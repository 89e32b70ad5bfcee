/** Must be a power of two. */
const MIN_CAPACITY = 64;
/** A larger buffer is not kept once it is empty. */
const MAX_IDLE_CAPACITY = 4096;

/**
 * A first-in first-out list in memory that is used again and again. An array that is cut at its start is copied from time to
 * time, and, as with the Set that `SmallSet` replaces, the copy left behind keeps its content alive past young collections.
 */
export class RingBuffer<T extends object> {
  #slots: (T | undefined)[] = slots(MIN_CAPACITY);
  #head = 0;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** The oldest item. */
  get first(): T | undefined {
    return this.#slots[this.#head];
  }

  /** The newest item. */
  get last(): T | undefined {
    return this.#size === 0 ? undefined : this.#slots[(this.#head + this.#size - 1) & (this.#slots.length - 1)];
  }

  push(item: T): void {
    if (this.#size === this.#slots.length) this.#grow();
    this.#slots[(this.#head + this.#size) & (this.#slots.length - 1)] = item;
    this.#size += 1;
  }

  /** Removes the newest item. */
  pop(): T | undefined {
    if (this.#size === 0) return undefined;
    this.#size -= 1;
    return this.#clear((this.#head + this.#size) & (this.#slots.length - 1));
  }

  /** Removes the oldest item. */
  shift(): T | undefined {
    if (this.#size === 0) return undefined;
    const item = this.#clear(this.#head);
    this.#head = (this.#head + 1) & (this.#slots.length - 1);
    this.#size -= 1;
    if (this.#size === 0 && this.#slots.length > MAX_IDLE_CAPACITY) {
      this.#slots = slots(MIN_CAPACITY);
      this.#head = 0;
    }
    return item;
  }

  /** Oldest first. */
  *[Symbol.iterator](): IterableIterator<T> {
    for (let at = 0; at < this.#size; at += 1) {
      const item = this.#slots[(this.#head + at) & (this.#slots.length - 1)];
      if (item !== undefined) yield item;
    }
  }

  #clear(slot: number): T | undefined {
    const item = this.#slots[slot];
    this.#slots[slot] = undefined;
    return item;
  }

  #grow(): void {
    const old = this.#slots;
    this.#slots = slots(2 * old.length);
    for (let at = 0; at < this.#size; at += 1) this.#slots[at] = old[(this.#head + at) & (old.length - 1)];
    this.#head = 0;
  }
}

const slots = <T>(capacity: number): (T | undefined)[] => new Array<T | undefined>(capacity).fill(undefined);

/**
 * A set of a few items that come and go as long as the process lives. Each time a Set is rebuilt it leaves a table behind that
 * points to its successor: once one of them is old, everything that was ever in a later one outlives the young collections,
 * which then take several times as long.
 */
export class SmallSet<T> {
  readonly #items: T[] = [];

  get size(): number {
    return this.#items.length;
  }

  add(item: T): void {
    this.#items.push(item);
  }

  delete(item: T): void {
    const at = this.#items.indexOf(item);
    if (at >= 0) this.#items.splice(at, 1);
  }

  [Symbol.iterator](): IterableIterator<T> {
    return this.#items.values();
  }
}

/** A number of events and of their bytes. */
export class EventCount {
  events = 0;
  bytes = 0;

  add(event: { readonly bytes: number }): void {
    this.events += 1;
    this.bytes += event.bytes;
  }

  subtract(event: { readonly bytes: number }): void {
    this.events -= 1;
    this.bytes -= event.bytes;
  }

  addAll(other: EventCount): void {
    this.events += other.events;
    this.bytes += other.bytes;
  }

  subtractAll(other: EventCount): void {
    this.events -= other.events;
    this.bytes -= other.bytes;
  }
}
