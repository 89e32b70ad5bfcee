type Callback = () => void;

/** Adds one listener per signal, however many calls share it: Node warns of a leak when there are more than ten. */
export class AbortListeners {
  readonly #callbacks = new WeakMap<AbortSignal, { readonly all: Set<Callback>; readonly listener: Callback }>();

  add(signal: AbortSignal, callback: Callback): void {
    let shared = this.#callbacks.get(signal);
    if (!shared) {
      const all = new Set<Callback>();
      const listener = (): void => {
        for (const each of all) each();
      };
      // Throws for an object that is not a signal.
      signal.addEventListener('abort', listener, { once: true });
      shared = { all, listener };
      this.#callbacks.set(signal, shared);
    }
    shared.all.add(callback);
  }

  remove(signal: AbortSignal, callback: Callback): void {
    const shared = this.#callbacks.get(signal);
    if (!shared?.all.delete(callback) || shared.all.size > 0) return;
    this.#callbacks.delete(signal);
    signal.removeEventListener('abort', shared.listener);
  }
}
