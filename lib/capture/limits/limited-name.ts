import { type EventLimit } from '../../events/event-limit.js';
import { RecentMap } from '../../shared/recent-map.js';

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;

/** Pairs of event and person that are remembered at least, for `once` and for `perPersonPerHour` each; at most twice as many. */
const MIN_PERSONS = 50_000;

/** A period that begins with its first event. */
class Period {
  #since = -Infinity;
  #count = 0;

  isFull(limit: number, now: number, lengthMs: number): boolean {
    return now - this.#since < lengthMs && this.#count >= limit;
  }

  add(now: number, lengthMs: number): void {
    if (now - this.#since >= lengthMs) {
      this.#since = now;
      this.#count = 0;
    }
    this.#count += 1;
  }

  takeBack(): void {
    if (this.#count > 0) this.#count -= 1;
  }
}

/** The events that persons had, of all names of an instance. */
export class PersonEvents {
  readonly once = new RecentMap<true>(MIN_PERSONS);
  readonly hours = new RecentMap<Period>(MIN_PERSONS);

  /** The person may have another event of a name that is limited to one. */
  forget(event: string, person: string): void {
    this.once.delete(keyOf(event, person));
  }
}

/** Unlike a text with a separator, it cannot be that of another pair. */
function keyOf(event: string, person: string): string {
  return `${event.length}:${event}${person}`;
}

/** Why an event is over its limit. `isWanted`: dropping it is what the limit is for. */
export interface OverLimit {
  readonly detail: string;
  readonly isWanted: boolean;
}

/** The limit of a name, and the events that count for it. */
export class LimitedName {
  readonly sampleRate: number;
  readonly #limit: EventLimit;
  readonly #persons: PersonEvents;
  readonly #minute = new Period();

  constructor(limit: EventLimit, persons: PersonEvents) {
    this.sampleRate = limit.sampleRate ?? 1;
    this.#limit = limit;
    this.#persons = persons;
  }

  /**
   * Counts an event, unless it is over a limit.
   *
   * @param person undefined for an event without a person
   */
  take(event: string, person: string | undefined): OverLimit | null {
    const { perMinute, perPersonPerHour, once } = this.#limit;
    // Monotonic: if the wall clock were set back, nothing would pass for as long.
    const now = perMinute === undefined && perPersonPerHour === undefined ? 0 : performance.now();
    if (perMinute !== undefined && this.#minute.isFull(perMinute, now, MINUTE_MS))
      return { detail: `more than ${perMinute} per minute (perMinute)`, isWanted: false };
    if (person !== undefined && (once ?? perPersonPerHour) !== undefined) {
      const over = this.#takePerson(keyOf(event, person), now);
      if (over !== null) return over;
    }
    if (perMinute !== undefined) this.#minute.add(now, MINUTE_MS);
    return null;
  }

  #takePerson(key: string, now: number): OverLimit | null {
    const { perPersonPerHour, once } = this.#limit;
    const { once: known, hours } = this.#persons;
    if (once !== undefined && known.get(key) !== undefined)
      return { detail: 'its person had one before (once)', isWanted: true };
    if (perPersonPerHour !== undefined) {
      const hour = hours.get(key) ?? new Period();
      if (hour.isFull(perPersonPerHour, now, HOUR_MS))
        return { detail: `more than ${perPersonPerHour} of its person per hour (perPersonPerHour)`, isWanted: false };
      hour.add(now, HOUR_MS);
      hours.set(key, hour);
    }
    if (once !== undefined) known.set(key, true);
    return null;
  }

  /** The event was dropped right after it was taken. */
  takeBack(event: string, person: string | undefined): void {
    const { perMinute, perPersonPerHour, once } = this.#limit;
    if (perMinute !== undefined) this.#minute.takeBack();
    if (person === undefined) return;
    if (perPersonPerHour !== undefined) this.#persons.hours.get(keyOf(event, person))?.takeBack();
    if (once !== undefined) this.#persons.forget(event, person);
  }
}
