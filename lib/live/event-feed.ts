import { type LiveDetail, type LiveEvent, type LiveName, type LiveProgress } from './messages.js';
import { type MaskedText } from './mask.js';

export interface FeedLimits {
  /** Maximum number of events. The oldest are removed. */
  readonly maxEvents: number;
  /** Maximum total length of their texts, in UTF-16 units. */
  readonly maxLength: number;
}

export interface NewEvent {
  readonly id: string;
  readonly name: string;
  /** The JSON of the event; null if it was never serialized. */
  readonly text: string | null;
  /** UTF-8 length of `text`. */
  readonly bytes: number;
  /** Epoch milliseconds. */
  readonly at: number;
  /** Name of its definition. Default: `name`. */
  readonly definition?: string | undefined;
  /** See LiveEvent. Default: none. */
  readonly problems?: readonly string[] | undefined;
  /** See LiveEvent. Default: none. */
  readonly broken?: readonly string[] | undefined;
}

type Counts = Record<string, number>;

interface Entry extends NewEvent {
  fate: string;
  note: string;
  attempts: number;
  shown: LiveEvent | null;
}

const NAME_LENGTH = 200;
const TEXT_LENGTH = 8192;
const NOTE_LENGTH = 500;
const MAX_PROBLEMS = 10;
const MAX_NAMES = 200;
const NAMES_SENT = 50;
/** Names that were seen once are grouped above this number. */
const MAX_ONE_OFF_NAMES = 5;

/**
 * A bounded list of the events that the page shows, and the changes since the last call of `takeChanges`. Text is masked once, when it
 * is first shown.
 */
export class EventFeed {
  readonly #limits: FeedLimits;
  readonly #mask: (text: string) => MaskedText;
  readonly #entries = new Map<string, Entry>();
  #length = 0;
  #added = new Set<string>();
  #moved = new Set<string>();
  readonly #names = new Map<string, Counts>();
  /** Counts of the names above `MAX_NAMES`. */
  readonly #otherNames: Counts = {};
  #namesChanged = false;

  constructor(limits: FeedLimits, mask: (text: string) => MaskedText) {
    this.#limits = limits;
    this.#mask = mask;
  }

  has(id: string): boolean {
    return this.#entries.has(id);
  }

  /** Returns the state of an event, or undefined if it was never added or was removed. */
  find(id: string): { fate: string; attempts: number } | undefined {
    const entry = this.#entries.get(id);
    return entry && { fate: entry.fate, attempts: entry.attempts };
  }

  /** Adds an event at the end. Replaces an event with the same id. */
  add(event: NewEvent, fate: string, { note = '', attempts = 0 }: { note?: string; attempts?: number } = {}): void {
    this.#remove(event.id);
    this.#entries.set(event.id, { ...event, fate, note: cut(note, NOTE_LENGTH), attempts, shown: null });
    this.#length += lengthOf(event);
    this.#added.add(event.id);
    for (const id of this.#entries.keys()) {
      if (this.#entries.size <= this.#limits.maxEvents && this.#length <= this.#limits.maxLength) break;
      this.#remove(id);
    }
  }

  /** Updates the fate of an event. Ignored if the event was removed. */
  move(id: string, fate: string, { note = '', attempts }: { note?: string; attempts?: number } = {}): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    Object.assign(entry, { fate, note: cut(note, NOTE_LENGTH), attempts: attempts ?? entry.attempts });
    if (!this.#added.has(id)) this.#moved.add(id);
  }

  count(name: string, key: string, by = 1): void {
    const short = shortName(name);
    let counts = this.#names.get(short);
    if (counts === undefined) {
      counts = this.#names.size < MAX_NAMES ? {} : this.#otherNames;
      if (counts !== this.#otherNames) this.#names.set(short, counts);
    }
    counts[key] = (counts[key] ?? 0) + by;
    this.#namesChanged = true;
  }

  /** Oldest first. */
  events(): LiveEvent[] {
    return [...this.#entries.values()].map((entry) => this.#show(entry));
  }

  /** The most frequent names first, then groups: names that were seen once, and all above a limit. */
  names(): LiveName[] {
    const names = [...this.#names]
      .map(([name, counts]) => ({ name, counts }))
      .sort((one, other) => occurrences(other.counts) - occurrences(one.counts));
    const oneOff = names.filter(({ counts }) => occurrences(counts) <= 1);
    const groups: LiveName[] = [];
    if (oneOff.length > MAX_ONE_OFF_NAMES) {
      names.length -= oneOff.length;
      groups.push({ name: `other one-off names (${oneOff.length})`, counts: sumOf(oneOff), isGroup: true });
    }
    const others = Object.keys(this.#otherNames).length > 0 ? [{ counts: this.#otherNames }] : [];
    if (names.length + groups.length + others.length > NAMES_SENT || others.length > 0) {
      others.push(...names.splice(NAMES_SENT - groups.length - 1));
      groups.push({ name: 'all other names', counts: sumOf(others), isGroup: true });
    }
    return [...names, ...groups];
  }

  /** Returns the changes since the last call. */
  takeChanges(): { added: LiveEvent[]; moved: LiveProgress[]; names?: LiveName[] } {
    const of = (ids: Set<string>): Entry[] => [...ids].flatMap((id) => this.#entries.get(id) ?? []);
    const changes = {
      added: of(this.#added).map((entry) => this.#show(entry)),
      moved: of(this.#moved).map(({ id, fate, note, attempts }) => ({ id, fate, note, attempts })),
      ...(this.#namesChanged && { names: this.names() }),
    };
    this.#added = new Set();
    this.#moved = new Set();
    this.#namesChanged = false;
    return changes;
  }

  /** Returns an event with its complete text, or undefined if it was removed. */
  detail(id: string): LiveDetail | undefined {
    const entry = this.#entries.get(id);
    return entry && { id, text: entry.text === null ? null : this.#mask(entry.text).text };
  }

  #show(entry: Entry): LiveEvent {
    const { id, name, at, bytes, fate, note, attempts, definition, problems = [], broken = [] } = entry;
    if (entry.shown === null) {
      const { text, who } = entry.text === null ? { text: '', who: '' } : this.#mask(entry.text);
      entry.shown = {
        id,
        name: shortName(name),
        who: cut(who, NAME_LENGTH),
        at,
        bytes,
        fate,
        note,
        attempts,
        text: text.slice(0, TEXT_LENGTH),
        isCut: text.length > TEXT_LENGTH,
        ...(definition !== undefined && { definition: shortName(definition) }),
        ...(problems.length > 0 && { problems: problems.slice(0, MAX_PROBLEMS).map((one) => cut(one, NOTE_LENGTH)) }),
        ...(broken.length > 0 && { broken }),
      };
    }
    return { ...entry.shown, fate, note, attempts };
  }

  #remove(id: string): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    this.#entries.delete(id);
    this.#added.delete(id);
    this.#moved.delete(id);
    this.#length -= lengthOf(entry);
  }
}

/** An event adds one to several counts of its name, such as captured and delivered. */
function occurrences(counts: Readonly<Counts>): number {
  return Math.max(...Object.values(counts));
}

function sumOf(names: readonly { readonly counts: Readonly<Counts> }[]): Counts {
  const sum: Counts = {};
  for (const { counts } of names) for (const [key, count] of Object.entries(counts)) sum[key] = (sum[key] ?? 0) + count;
  return sum;
}

function lengthOf({ text }: NewEvent): number {
  return text?.length ?? 0;
}

/** A name as it is shown. */
export function shortName(name: string): string {
  return cut(name, NAME_LENGTH);
}

function cut(text: string, length: number): string {
  return text.length > length ? `${text.slice(0, length - 1)}…` : text;
}
