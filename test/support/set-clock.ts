/** Replaces `Date` with a clock that can be set. Timers are not affected. */
export class SetClock {
  /** Offset from the real clock, in milliseconds. */
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

  restore(): void {
    globalThis.Date = this.#real;
  }
}
