import { type QueuedEvent } from '../delivery/delivery.js';

/** Where an event is kept. */
export interface EventPlace {
  readonly event: QueuedEvent;
}

/**
 * Finds the place of an event, by the very event.
 *
 * A Map of events would do, but for one thing. V8 copies the table of a Map whose entries come and go from time to time; an
 * outdated copy that has lived for a while is garbage that only a full collection finds, and until then it keeps alive what it
 * names. Nearly every event would grow old that way: it would be copied about, and wait for a full collection, which costs
 * more than all the rest that a store does. So the Map here names ids and numbers, and one array, which is copied only when
 * it grows, names the events.
 */
export class EventPlaces<Place extends EventPlace> {
  /** Where in `#places` the event with an id is. */
  readonly #indices = new Map<string, number>();
  readonly #places: (Place | null)[] = [];
  /** Where in `#places` there is none. */
  readonly #free: number[] = [];
  /** Of events whose id another one in `#places` has: hardly ever any. */
  readonly #twins = new Map<QueuedEvent, Place>();

  get size(): number {
    return this.#indices.size + this.#twins.size;
  }

  /** All places, in no order. */
  get all(): readonly Place[] {
    return [...this.#places.filter((place) => place !== null), ...this.#twins.values()];
  }

  /** Returns false when the event has a place: it keeps that one. */
  add(place: Place): boolean {
    const { event } = place;
    const index = this.#indices.get(event.id);
    if (this.#twins.has(event) || (index !== undefined && this.#places[index]?.event === event)) return false;
    if (index === undefined) this.#indices.set(event.id, this.#put(place));
    else this.#twins.set(event, place);
    return true;
  }

  /** The place of an event, which has none from now on. */
  take(event: QueuedEvent): Place | null {
    const index = this.#indices.get(event.id);
    const place = index === undefined ? null : this.#places[index];
    if (index === undefined || place?.event !== event) {
      const twin = this.#twins.get(event) ?? null;
      this.#twins.delete(event);
      return twin;
    }
    this.#indices.delete(event.id);
    this.#places[index] = null;
    this.#free.push(index);
    return place;
  }

  #put(place: Place): number {
    const index = this.#free.pop() ?? this.#places.length;
    this.#places[index] = place;
    return index;
  }
}
