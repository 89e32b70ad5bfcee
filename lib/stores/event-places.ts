import { type QueuedEvent } from '../delivery/delivery.js';

/** What one reader knows of objects that others have made. */
export interface PrivateNote<T> {
  read(holder: object): T | undefined;
  write(holder: object, text: T): void;
}

/** A class that extends this puts its private fields on the given object. */
const OnGiven = function (given: object) {
  return given;
} as unknown as new (given: object) => object;

/**
 * A private field on objects that others have made, frozen ones too: nothing that looks at them, compares or copies them finds it.
 * Costs less than an entry of a WeakMap, above all the garbage collector. A proxy of the object does not show it, nor does what inherits
 * from it: where that matters, as with requests, there is `Attached`.
 */
export function privateNote<T>(): PrivateNote<T> {
  class Noted extends OnGiven {
    #text: T;

    constructor(holder: object, text: T) {
      super(holder);
      this.#text = text;
    }

    static read(holder: object): T | undefined {
      return #text in holder ? holder.#text : undefined;
    }

    static write(holder: object, text: T): void {
      if (#text in holder) holder.#text = text;
      else new Noted(holder, text);
    }
  }
  return { read: (holder) => Noted.read(holder), write: (holder, text) => Noted.write(holder, text) };
}

/** Where an event is kept. */
export interface EventPlace {
  readonly event: QueuedEvent;
  /** Which of all places it is; `add` says it. */
  slot: number;
}

/**
 * Finds the place of an event, by the very event.
 *
 * A Map of events would do, but for one thing. V8 rebuilds the table of a Map whose entries come and go from time to time; an
 * outdated table that has lived for a while is garbage that only a full collection finds, and until then it keeps alive what it
 * names. Every event would grow old that way: it would be copied about, and wait for a full collection, which costs more than all
 * the rest that a store does. So the place stands at the event, and one list, which is copied only when it grows, names them all.
 */
export class EventPlaces<Place extends EventPlace> {
  readonly #note = privateNote<Place>();
  readonly #places: (Place | null)[] = [];
  /** Slots in which there is none. */
  readonly #free: number[] = [];

  get size(): number {
    return this.#places.length - this.#free.length;
  }

  /** All places, in no order. */
  get all(): readonly Place[] {
    return this.#places.filter((place) => place !== null);
  }

  /** Returns false when the event has a place: it keeps that one. */
  add(place: Place): boolean {
    if (this.#placeOf(place.event)) return false;
    place.slot = this.#free.pop() ?? this.#places.length;
    this.#places[place.slot] = place;
    this.#note.write(place.event, place);
    return true;
  }

  /** The place of an event, which has none from now on. */
  take(event: QueuedEvent): Place | null {
    const place = this.#placeOf(event);
    if (!place) return null;
    this.#places[place.slot] = null;
    this.#free.push(place.slot);
    return place;
  }

  #placeOf(event: QueuedEvent): Place | null {
    const place = this.#note.read(event);
    // It may be one that the event had.
    return place !== undefined && this.#places[place.slot] === place ? place : null;
  }
}
