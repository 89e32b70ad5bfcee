/** A clock that can be set: `Date` alone; timers go on as time passes. */
export class SetClock {
  /** How far it is ahead of the real one, in milliseconds. */
  aheadMs = 0;
  readonly #real = Date;

  constructor() {
    const read = (): number => this.#real.now() + this.aheadMs;
    globalThis.Date = new Proxy(this.#real, {
      construct: (real, given: ConstructorParameters<typeof Date> | []) =>
        given.length === 0 ? new real(read()) : new real(...given),
      get: (real, name): unknown => (name === 'now' ? read : Reflect.get(real, name)),
    });
  }

  /** The real clock is back. */
  restore(): void {
    globalThis.Date = this.#real;
  }
}
