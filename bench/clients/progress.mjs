/** Lets a producer wait until its client has got further, for clients that offer no such thing. */
export class Progress {
  #wake = null;

  made() {
    this.#wake?.();
  }

  /** Asks again each time there was progress. */
  async until(condition) {
    while (!condition()) await new Promise((resolve) => (this.#wake = resolve));
    this.#wake = null;
  }
}
