/**
 * A few things that come and go as long as the process lives. A Set would leave a table behind, each time it is
 * rebuilt, that points to its successor: as soon as one of them is old, whatever has ever been in the later ones outlives the
 * collections of young objects, and those take several times as long.
 */
export class SmallSet<T> {
  readonly #things: T[] = [];

  get size(): number {
    return this.#things.length;
  }

  add(thing: T): void {
    this.#things.push(thing);
  }

  delete(thing: T): void {
    const at = this.#things.indexOf(thing);
    if (at >= 0) this.#things.splice(at, 1);
  }

  [Symbol.iterator](): IterableIterator<T> {
    return this.#things.values();
  }
}
