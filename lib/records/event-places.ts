import { type QueuedEvent } from '../delivery/delivery.js';

/** Attaches values to objects of other owners, invisibly. */
export interface PrivateNote<T> {
  read(holder: object): T | undefined;
  write(holder: object, value: T): void;
}

/** A class that extends this adds its private fields to the given object. */
const OnGiven = function (given: object) {
  return given;
} as unknown as new (given: object) => object;

/**
 * A private field on objects of other owners, even frozen ones: nothing that inspects, compares or copies them can see it. Cheaper than an
 * entry of a WeakMap, above all for the garbage collector. It is not visible through a proxy of the object or an object that inherits
 * from it; where that matters, as with requests, use `AttachedState`.
 */
export function privateNote<T>(): PrivateNote<T> {
  class Noted extends OnGiven {
    #value: T;

    constructor(holder: object, value: T) {
      super(holder);
      this.#value = value;
    }

    static read(holder: object): T | undefined {
      return #value in holder ? holder.#value : undefined;
    }

    static write(holder: object, value: T): void {
      if (#value in holder) holder.#value = value;
      else new Noted(holder, value);
    }
  }
  return { read: (holder) => Noted.read(holder), write: (holder, value) => Noted.write(holder, value) };
}

export interface EventPlace {
  readonly event: QueuedEvent;
  /** Index in EventPlaces, assigned by `add`. */
  slot: number;
}

/**
 * Finds the place of an event by identity.
 *
 * Not a Map: when entries come and go, V8 rebuilds its table from time to time. An old table in the old generation is garbage that only
 * a full collection finds, and until then it keeps its entries alive. Every event would be copied to the old generation and wait for a
 * full collection, which costs more than all other work of a store. Therefore the place is attached to the event, and one array, which
 * is copied only when it grows, lists them all.
 */
export class EventPlaces<Place extends EventPlace> {
  readonly #note = privateNote<Place>();
  readonly #places: (Place | null)[] = [];
  /** Empty slots. */
  readonly #free: number[] = [];

  get size(): number {
    return this.#places.length - this.#free.length;
  }

  /** In no particular order. */
  get all(): readonly Place[] {
    return this.#places.filter((place) => place !== null);
  }

  /** Returns false if the event has a place, which it keeps. */
  add(place: Place): boolean {
    if (this.#placeOf(place.event)) return false;
    place.slot = this.#free.pop() ?? this.#places.length;
    this.#places[place.slot] = place;
    this.#note.write(place.event, place);
    return true;
  }

  find(event: QueuedEvent): Place | null {
    return this.#placeOf(event);
  }

  /** Removes and returns the place of an event. */
  take(event: QueuedEvent): Place | null {
    const place = this.#placeOf(event);
    if (!place) return null;
    this.#places[place.slot] = null;
    this.#free.push(place.slot);
    return place;
  }

  #placeOf(event: QueuedEvent): Place | null {
    const place = this.#note.read(event);
    // The note may be a former place of the event.
    return place !== undefined && this.#places[place.slot] === place ? place : null;
  }
}
