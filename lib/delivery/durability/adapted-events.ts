import { type QueuedEvent } from '../delivery.js';

/** Events that a store returned in an old form, and the events that are sent instead. A store knows only its own objects. */
export class AdaptedEvents {
  /** By adapted event, the one that the store returned. */
  readonly #originals = new WeakMap<QueuedEvent, QueuedEvent>();
  /** By event that the store returned, the adapted one. */
  readonly #adapted = new WeakMap<QueuedEvent, QueuedEvent>();
  readonly #adapt: (event: QueuedEvent) => QueuedEvent;

  constructor(adapt: (event: QueuedEvent) => QueuedEvent) {
    this.#adapt = adapt;
  }

  adapt(event: QueuedEvent): QueuedEvent {
    const adapted = this.#adapt(event);
    if (adapted !== event) {
      this.#originals.set(adapted, event);
      this.#adapted.set(event, adapted);
    }
    return adapted;
  }

  /** The event that the store knows. */
  originalOf(event: QueuedEvent): QueuedEvent {
    return this.#originals.get(event) ?? event;
  }

  /** The event that is sent for one that the store returned. */
  adaptedOf(event: QueuedEvent): QueuedEvent {
    return this.#adapted.get(event) ?? event;
  }

  /** The store does not have the event any more: if it is appended again, then as it is now. */
  forget(event: QueuedEvent): void {
    this.#originals.delete(event);
  }
}
