/** What one reader knows of objects that others have made. */
export interface PrivateNote<T> {
  read(holder: object): T | undefined;
  write(holder: object, text: T): void;
}

/** A class that extends this puts its private fields on the given object. */
const OnGiven = function (given: object) {
  return given;
} as unknown as new (given: object) => object;

/**
 * A private field on objects that others have made, frozen ones too: nothing that looks at them, compares or copies them finds it.
 * Costs less than an entry of a WeakMap, above all the garbage collector. A proxy of the object does not show it, nor does what inherits
 * from it: where that matters, as with requests, there is `Attached`.
 */
export function privateNote<T>(): PrivateNote<T> {
  class Noted extends OnGiven {
    #text: T;

    constructor(holder: object, text: T) {
      super(holder);
      this.#text = text;
    }

    static read(holder: object): T | undefined {
      return #text in holder ? holder.#text : undefined;
    }

    static write(holder: object, text: T): void {
      if (#text in holder) holder.#text = text;
      else new Noted(holder, text);
    }
  }
  return { read: (holder) => Noted.read(holder), write: (holder, text) => Noted.write(holder, text) };
}
