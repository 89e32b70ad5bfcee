import { type QueuedEvent } from '../../delivery/delivery.js';
import { type DefinedEvent } from '../../events/defined-event.js';
import { type EventLimit } from '../../events/event-limit.js';
import { dedupeUuid } from './dedupe-uuid.js';
import { LimitedName, PersonEvents } from './limited-name.js';
import { LimitRules } from './limit-rules.js';
import { isInSample } from './person-sample.js';
import { RecentMap } from '../../shared/recent-map.js';

/**
 * Number of names whose limit is remembered, besides those of the catalog. Names may come from input, so the events of further names share the
 * counts of their rule. At least the last 1000 names with a definition outside of the catalog are remembered, too.
 */
const MAX_NAMES = 1000;

/** Uuids of events with a `dedupeKey` that are remembered at least; at most twice as many. */
const MIN_UUIDS = 50_000;

export interface EventLimitsSettings {
  /** Option `limits`. */
  readonly limits?: Readonly<Record<string, EventLimit>> | undefined;
  /** Definitions of events that may be captured by their names. */
  readonly definitions?: readonly DefinedEvent[];
  /** Part of the uuids of events with a `dedupeKey`. */
  readonly project?: string;
}

/** An event that is asked for. */
export interface LimitedEvent {
  readonly event: string;
  /** The definition that it was made from. */
  readonly definition: DefinedEvent | undefined;
  readonly dedupeKey: string | undefined;
  /** undefined for an event without a person. */
  readonly person: string | undefined;
  /** The id of an event without a person. */
  readonly personlessId: () => string;
}

/** The name, person and uuid under which an event was counted. */
interface Counted {
  readonly event: string;
  /** undefined for an event without a person. */
  readonly person: string | undefined;
  /** Of an event with a `dedupeKey`. */
  readonly uuid: string | undefined;
}

/** An event that may be captured, or the reason why it is dropped. */
export type Admission =
  | {
      readonly ok: true;
      /** Of an event with a `dedupeKey`. */
      readonly uuid: string | undefined;
      /** The id of an event without a person, where it was needed. */
      readonly personlessId: string | undefined;
      /** undefined if all events of the name are kept. */
      readonly sampleRate: number | undefined;
      /** Undoes the admission of an event that was dropped after all. */
      readonly takeBack: () => void;
    }
  | {
      readonly ok: false;
      readonly reason: 'sampled' | 'over_limit' | 'duplicate';
      readonly detail: string;
      /** Of a duplicate: that of both events. */
      readonly uuid: string | null;
      /** The drop is what the application asked for. */
      readonly isWanted: boolean;
    };

/** Decides which events are captured: by option `limits`, by the limits of definitions, and by `dedupeKey`. */
export class EventLimits {
  readonly #rules: LimitRules;
  /** The definitions with limits in the catalog, by name. */
  readonly #catalog = new Map<string, DefinedEvent>();
  readonly #project: string;
  /** By name; null for a name without limits. */
  readonly #names = new Map<string, LimitedName | null>();
  /** Limits of events that carried their definition, which also apply to those that are captured by name. */
  readonly #carried = new RecentMap<LimitedName>(MAX_NAMES);
  #hasCarried = false;
  /** For names beyond MAX_NAMES. */
  readonly #ofRules = new WeakMap<EventLimit, LimitedName>();
  readonly #persons = new PersonEvents();
  readonly #uuids = new RecentMap<true>(MIN_UUIDS);
  /** The original name, person and uuid of events that `beforeSend` has changed; null for an event without limits. */
  readonly #changed = new WeakMap<QueuedEvent, Counted | null>();

  constructor({ limits = {}, definitions = [], project = '' }: EventLimitsSettings = {}) {
    this.#rules = new LimitRules(limits);
    this.#project = project;
    for (const defined of definitions) if (isLimited(defined)) this.#catalog.set(defined.event, defined);
  }

  /** The admission of an event; null if nothing limits it. */
  admit(given: LimitedEvent): Admission | null {
    const { event, definition, dedupeKey, person } = given;
    const limit = this.#find(event, definition);
    if (limit === null && dedupeKey === undefined) return null;
    let personlessId: string | undefined;
    const { sampleRate = 1 } = limit ?? {};
    const isSampling = sampleRate < 1;
    // A personless event with a key gets the same id each time.
    const uuid = dedupeKey === undefined ? undefined : dedupeUuid(this.#project, event, person ?? '', dedupeKey);
    if (person === undefined && (isSampling || uuid !== undefined)) personlessId = uuid ?? given.personlessId();
    if (isSampling && !isInSample(person ?? personlessId ?? '', sampleRate))
      return refused('sampled', `its person is not among those that sampleRate ${sampleRate} keeps`);
    if (uuid !== undefined && this.#uuids.get(uuid) !== undefined)
      return refused('duplicate', 'an event with the same dedupeKey was captured before', uuid);
    const over = limit?.take(event, person) ?? null;
    if (over !== null) return { ok: false, reason: 'over_limit', uuid: null, ...over };
    if (uuid !== undefined) this.#uuids.set(uuid, true);
    return {
      ok: true,
      uuid,
      personlessId,
      sampleRate: isSampling ? sampleRate : undefined,
      takeBack: () => {
        limit?.takeBack(event, person);
        if (uuid !== undefined) this.#uuids.delete(uuid);
      },
    };
  }

  /**
   * An admitted event was queued: `beforeSend` may have changed what it was admitted as.
   *
   * @param admission null if nothing limits it
   */
  queued(queued: QueuedEvent, { event, person }: LimitedEvent, admission: Pick<Counted, 'uuid'> | null): void {
    const { id, name, orderKey } = queued;
    const isSame = name === event && orderKey === (person ?? orderKey) && id === (admission?.uuid ?? id);
    if (!isSame) this.#changed.set(queued, admission && { event, person, uuid: admission.uuid });
  }

  /** An event that was captured will not arrive: the next one of its person, or with its `dedupeKey`, may be captured. */
  lost(queued: QueuedEvent): void {
    const { id, name, orderKey } = queued;
    const known = this.#changed.get(queued);
    const counted = known === undefined ? { event: name, person: orderKey, uuid: id } : known;
    if (counted === null) return;
    const { event, person, uuid } = counted;
    if (uuid !== undefined) this.#uuids.delete(uuid);
    if (person !== undefined) this.#persons.forget(event, person);
  }

  #find(event: string, carried: DefinedEvent | undefined): LimitedName | null {
    if (carried !== undefined && isLimited(carried) && !this.#catalog.has(event)) {
      return this.#carried.get(event) ?? this.#remember(carried);
    }
    if (this.#catalog.size === 0 && this.#rules.isEmpty && !this.#hasCarried) return null;
    const known = (this.#hasCarried ? this.#carried.get(event) : undefined) ?? this.#names.get(event);
    return known === undefined ? this.#resolve(event) : known;
  }

  #resolve(event: string): LimitedName | null {
    // A copy: a part of a long string would keep all of it in memory.
    const name = Buffer.from(event).toString();
    const known = this.#names.get(name);
    if (known !== undefined) return known;
    const rule = this.#rules.find(name);
    const defined = this.#catalog.get(name);
    if (defined === undefined && this.#names.size >= MAX_NAMES) return this.#sharedBy(rule);
    const merged = mergedLimit(defined, rule);
    const limited = isEmpty(merged) ? null : new LimitedName(merged, this.#persons);
    this.#names.set(name, limited);
    return limited;
  }

  #remember(defined: DefinedEvent): LimitedName {
    const name = Buffer.from(defined.event).toString();
    const limited = new LimitedName(mergedLimit(defined, this.#rules.find(name)), this.#persons);
    this.#carried.set(name, limited);
    this.#hasCarried = true;
    return limited;
  }

  #sharedBy(rule: EventLimit | undefined): LimitedName | null {
    if (rule === undefined || isEmpty(rule)) return null;
    const known = this.#ofRules.get(rule);
    if (known !== undefined) return known;
    const limited = new LimitedName(rule, this.#persons);
    this.#ofRules.set(rule, limited);
    return limited;
  }
}

const fieldsOf = (limit: EventLimit): EventLimit =>
  Object.fromEntries(Object.entries(limit).filter(([, value]) => value !== undefined));

function mergedLimit(defined: DefinedEvent | undefined, rule: EventLimit = {}): EventLimit {
  const { sampleRate, limit } = defined?.info ?? {};
  return { ...limit, ...fieldsOf({ sampleRate }), ...fieldsOf(rule) };
}

const isEmpty = (limit: EventLimit): boolean => Object.keys(fieldsOf(limit)).length === 0;

const isLimited = ({ info }: DefinedEvent): boolean => (info.sampleRate ?? info.limit ?? undefined) !== undefined;

function refused(reason: 'sampled' | 'duplicate', detail: string, uuid: string | null = null): Admission {
  return { ok: false, reason, detail, uuid, isWanted: true };
}
