/**
 * State of ours on objects that others made, such as requests. Not a WeakMap: entries of short-lived objects cost the garbage
 * collector more than all the rest that is done for a request. The property is named by a symbol and not enumerable, so neither a
 * copy nor JSON of the object has it; an object that takes no property has its state in a WeakMap after all.
 */
export class Attached<T extends object> {
  readonly #key: symbol;
  #others: WeakMap<object, T> | undefined;

  /** @param name the same in both builds of this package, which may serve one request together; undefined: of this object alone */
  constructor(name?: string) {
    this.#key = name === undefined ? Symbol('nestjs-posthog-capture') : Symbol.for(`nestjs-posthog-capture:${name}`);
  }

  get(holder: object): T | undefined {
    return (holder as Readonly<Record<symbol, T | undefined>>)[this.#key] ?? this.#others?.get(holder);
  }

  set(holder: object, state: T | undefined): void {
    const property = { value: state, writable: true, configurable: true, enumerable: false };
    if (Reflect.defineProperty(holder, this.#key, property)) return;
    if (state === undefined) this.#others?.delete(holder);
    else (this.#others ??= new WeakMap()).set(holder, state);
  }
}
