/**
 * State attached to objects of others, such as requests. Not in a WeakMap, whose entries for short-lived objects cost the garbage
 * collector more than all other work for a request; nor as a non-enumerable property, as defining one costs as much. It is assigned by a
 * symbol, as Node and Fastify do, so it is in neither the keys nor the JSON of the object. A frozen object has its state in a WeakMap.
 */
export class AttachedState<T extends object> {
  readonly #key: symbol;
  #others: WeakMap<object, T> | undefined;

  /** @param name shares the state between both builds of this package, which may serve one request together. Default: not shared */
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
