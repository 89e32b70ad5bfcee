const MIN_CAPACITY = 64;
/** More is not kept once it is empty. */
const MAX_IDLE_CAPACITY = 4096;

/**
 * A first-in first-out list in a ring of memory, which is used again and again. An array that is cut off at its beginning is copied
 * from time to time, and what is left behind keeps its content from the collections of young objects, as `Few` explains of a Set.
 */
export class RingBuffer<T extends object> {
  /** As many as a power of two. */
  #slots: (T | undefined)[] = slots(MIN_CAPACITY);
  #head = 0;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** The oldest. */
  get first(): T | undefined {
    return this.#slots[this.#head];
  }

  /** The newest. */
  get last(): T | undefined {
    return this.#size === 0 ? undefined : this.#slots[(this.#head + this.#size - 1) & (this.#slots.length - 1)];
  }

  push(item: T): void {
    if (this.#size === this.#slots.length) this.#grow();
    this.#slots[(this.#head + this.#size) & (this.#slots.length - 1)] = item;
    this.#size += 1;
  }

  /** Removes the newest. */
  pop(): T | undefined {
    if (this.#size === 0) return undefined;
    this.#size -= 1;
    return this.#clear((this.#head + this.#size) & (this.#slots.length - 1));
  }

  /** Removes the oldest. */
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
