/**
 * State of ours on objects that others made, such as requests. Not a WeakMap: entries of short-lived objects cost the garbage
 * collector more than all the rest that is done for a request. Nor a hidden property: defining one costs more than the rest, too. It is
 * set as Node and Fastify set their own, by a symbol, so that neither the keys of the object nor its JSON have it; an object that takes
 * no property has its state in a WeakMap after all.
 */
export class AttachedState<T extends object> {
  readonly #key: symbol;
  #others: WeakMap<object, T> | undefined;

  /** @param name the same in both builds of this package, which may serve one request together; undefined: of this object alone */
  constructor(name?: string) {
    this.#key = name === undefined ? Symbol('nestjs-posthog-capture') : Symbol.for(`nestjs-posthog-capture:${name}`);
  }

  get(holder: object): T | undefined {
    return (holder as Readonly<Record<symbol, T | undefined>>)[this.#key] ?? this.#others?.get(holder);
  }

  set(holder: object, state: T): void {
    try {
      (holder as Record<symbol, T>)[this.#key] = state;
    } catch {
      (this.#others ??= new WeakMap()).set(holder, state);
    }
  }
}
