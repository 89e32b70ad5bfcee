import { type DropReason } from '../../delivery/delivery.js';
import { type EventStats } from '../event-stats.js';

/** Names in `stats().byEvent`, and names with metrics of their own. */
const MAX_LISTED = 50;
/** Names in memory. Names may come from input, so there may be any number. */
const MAX_NAMES = 1000;
/** Names that stay when there are more. */
const KEPT_NAMES = 500;

export const OTHERS = '(others)';
export const NO_NAME = '(no name)';

class Counts {
  captured = 0;
  /** Events that were not dropped immediately. */
  accepted = 0;
  bytes = 0;
  personless = 0;
  dropped = 0;
  readonly byReason: Partial<Record<DropReason, number>> = {};

  /** @param isFixed the name stays in memory, however rare it is */
  constructor(readonly isFixed: boolean) {}

  drop(reason: DropReason, count = 1): void {
    this.dropped += count;
    this.byReason[reason] = (this.byReason[reason] ?? 0) + count;
  }

  add(other: Counts): void {
    this.captured += other.captured;
    this.accepted += other.accepted;
    this.bytes += other.bytes;
    this.personless += other.personless;
    for (const [reason, count] of Object.entries(other.byReason)) this.drop(reason as DropReason, count);
  }
}

type Entry = readonly [name: string, counts: Counts];

/** Counts events by their name. Bounded: of too many names, the rarest are summed. */
export class EventCounts {
  readonly #byName = new Map<string, Counts>();
  readonly #rest = new Counts(true);

  /** An event was captured, and not dropped immediately. */
  accepted(event: string, bytes: number, isPersonless: boolean): void {
    const counts = this.#of(event);
    counts.captured += 1;
    counts.accepted += 1;
    counts.bytes += bytes;
    if (isPersonless) counts.personless += 1;
  }

  /** An event was captured, and will be reported as dropped. */
  refused(event: string): void {
    this.#of(event).captured += 1;
  }

  dropped(event: string, reason: DropReason): void {
    this.#of(event).drop(reason);
  }

  /** The names that were captured most often, and the sum of all others. */
  get most(): EventStats[] {
    const sorted = [...this.#byName].sort(byCaptured);
    return this.#listed(sorted.slice(0, MAX_LISTED), sorted.slice(MAX_LISTED));
  }

  /** The names that were captured first, and the sum of all others: no count ever decreases. */
  get first(): EventStats[] {
    const all = [...this.#byName];
    return this.#listed(
      all.filter(([, { isFixed }]) => isFixed),
      all.filter(([, { isFixed }]) => !isFixed),
    );
  }

  #listed(listed: readonly Entry[], others: readonly Entry[]): EventStats[] {
    const rest = new Counts(true);
    for (const [, counts] of [[OTHERS, this.#rest] as const, ...others]) rest.add(counts);
    const all = rest.captured + rest.dropped === 0 ? listed : [...listed, [OTHERS, rest] as const];
    return all.map(([event, { captured, dropped, byReason, bytes, accepted, personless }]) => ({
      event,
      captured,
      dropped,
      droppedByReason: { ...byReason },
      bytes,
      personless,
      personlessShare: accepted === 0 ? null : personless / accepted,
    }));
  }

  #of(event: string): Counts {
    return this.#byName.get(event) ?? this.#first(event);
  }

  #first(event: string): Counts {
    // A copy: a part of a long string would keep all of it in memory.
    const name = event.trim() === '' ? NO_NAME : Buffer.from(event).toString();
    const known = this.#byName.get(name);
    if (known !== undefined) return known;
    if (this.#byName.size >= MAX_NAMES) this.#forgetRarest();
    const counts = new Counts(this.#byName.size < MAX_LISTED);
    this.#byName.set(name, counts);
    return counts;
  }

  #forgetRarest(): void {
    const sorted = [...this.#byName].sort(byCaptured);
    for (const [name, counts] of sorted.slice(KEPT_NAMES)) {
      if (counts.isFixed) continue;
      this.#rest.add(counts);
      this.#byName.delete(name);
    }
  }
}

function byCaptured([, one]: Entry, [, other]: Entry): number {
  return other.captured - one.captured || other.dropped - one.dropped;
}
