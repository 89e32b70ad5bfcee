/** Lets a producer wait for its client, for clients without back-pressure. */
export class Progress {
  #wake = null;

  made() {
    this.#wake?.();
  }

  /** Checks the condition after each progress. */
  async until(condition) {
    while (!condition()) await new Promise((resolve) => (this.#wake = resolve));
    this.#wake = null;
  }
}
