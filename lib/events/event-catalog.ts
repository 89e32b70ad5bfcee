import { rememberPersonal } from '../shared/personal-properties.js';
import { RecentMap } from '../shared/recent-map.js';
import { type Warn } from '../shared/unknown-fields.js';
import { type DefinedEvent, definedEventOf } from './defined-event.js';
import { type EventsOptions } from './events-options.js';
import { type PiiMode, protect } from './personal-data.js';

type Properties = Readonly<Record<string, unknown>>;

/** An event's properties as they are sent, or the reason why it is dropped, without values. */
export type Conformed =
  { readonly ok: true; readonly properties: Properties | undefined } | { readonly ok: false; readonly problem: string };

/** The defined events of an instance, and the handling of invalid and unknown events. */
export class EventCatalog {
  readonly #events: ReadonlyMap<string, DefinedEvent>;
  readonly #unknown: 'allow' | 'warn' | 'refuse';
  readonly #invalid: 'warn' | 'refuse';
  readonly #pii: PiiMode;
  readonly #secret: string;
  readonly #ownNames: ReadonlySet<string>;
  /** Names of deprecated events that were warned of. */
  readonly #deprecatedSeen = new RecentMap<true>(MAX_SEEN);
  readonly #seen = new Map<string, DefinedEvent>();

  /**
   * @param isStrict refuses what breaks a definition, unless the options say otherwise: for development, tests and CI
   * @param ownNames events that the package captures itself
   */
  constructor(options: EventsOptions = {}, isStrict = false, ownNames: readonly string[] = []) {
    const { catalog, unknown, invalid, pii = 'keep', piiSecret = '' } = options;
    const strictness = isStrict ? 'refuse' : 'warn';
    this.#events = new Map(
      (catalog ?? []).flatMap((one) => definedEventOf(one) ?? []).map((defined) => [defined.event, defined]),
    );
    this.#unknown = unknown ?? (catalog === undefined ? 'allow' : strictness);
    this.#invalid = invalid ?? strictness;
    this.#pii = pii;
    this.#secret = piiSecret;
    this.#ownNames = new Set(ownNames);
  }

  /** True if events without a definition are not checked. */
  get isOpen(): boolean {
    return this.#events.size === 0 && this.#unknown === 'allow';
  }

  /** The definition of an event with this name. */
  definitionOf(event: string): DefinedEvent | undefined {
    return this.#events.get(event);
  }

  get definitions(): readonly DefinedEvent[] {
    return [...this.#events.values()];
  }

  /** The definitions of captured events that are not in the catalog. */
  get seen(): readonly DefinedEvent[] {
    return [...this.#seen.values()];
  }

  /** @param carried the definition that the event was made from. Default: the one of the catalog */
  conform(event: string, properties: Properties | undefined, carried: DefinedEvent | undefined, warn: Warn): Conformed {
    const defined = carried ?? this.#events.get(event);
    if (defined === undefined) return this.#conformUnknown(event, properties, warn);
    if (carried !== undefined && !this.#events.has(event)) this.#see(carried);
    const { info, check } = defined;
    if (info.pii !== undefined) rememberPersonal(event, info.pii);
    if (info.deprecated !== undefined && this.#deprecatedSeen.get(event) === undefined) {
      this.#deprecatedSeen.set(event, true);
      warn(`the event is deprecated: ${info.deprecated}`, true);
    }
    const checked = check(properties ?? {});
    if (!checked.ok && this.#invalid === 'refuse') return { ok: false, problem: broken(checked.problem) };
    if (!checked.ok) warn(broken(checked.problem), true);
    return { ok: true, properties: this.#protect(checked.ok ? checked.properties : properties, defined) };
  }

  #see(defined: DefinedEvent): void {
    if (this.#seen.size < MAX_SEEN && !this.#seen.has(defined.event)) this.#seen.set(defined.event, defined);
  }

  #conformUnknown(event: string, properties: Properties | undefined, warn: Warn): Conformed {
    if (this.#unknown !== 'allow' && !event.startsWith('$') && !this.#ownNames.has(event)) {
      if (this.#unknown === 'refuse') return { ok: false, problem: UNKNOWN };
      warn(UNKNOWN, true);
    }
    return { ok: true, properties };
  }

  #protect(properties: Properties | undefined, { info }: DefinedEvent): Properties | undefined {
    const { pii = [] } = info;
    if (this.#pii === 'keep' || pii.length === 0 || properties === undefined) return properties;
    return protect(properties, pii, this.#pii, this.#secret);
  }
}

/** An application may define events at run time, with names from input. */
const MAX_SEEN = 1000;
const UNKNOWN = 'it is not in the catalog (option events.catalog)';
const BROKEN = 'its properties break its definition: ';
const broken = (problem: string): string => BROKEN + problem;

/** The paths of a problem that `conform` has found, such as `items[0].price`. */
export function pathsIn(problem: string): string[] {
  return problem.startsWith(BROKEN) ? problem.slice(BROKEN.length).split(', ') : [];
}
