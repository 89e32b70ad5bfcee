import { type CheckedContext } from '../../context/capture-context.js';
import { type ContextStorage } from '../../context/context-storage.js';
import { CapturedEvent, CapturedEventOfGivenId } from '../../delivery/captured-event.js';
import { type DropReason, type QueuedEvent } from '../../delivery/delivery.js';
import { EventCatalog } from '../../events/event-catalog.js';
import { toJson } from '../../json/safe-json.js';
import { type BeforeSend } from '../../options/posthog-capture.options.js';
import { type Warn } from '../../shared/unknown-fields.js';
import { contentOf, plainCopy } from '../../shared/untrusted-values.js';
import { wallClock } from '../../shared/wall-clock.js';
import { type PostHogEvent } from '../../wire/posthog-event.js';
import { isAiEventName, MAX_AI_EVENT_BYTES } from '../../wire/ai-events.js';
import { aiFormatOf, formatOf } from '../../wire/formats.js';
import { type CaptureMode, type WireFormat } from '../../wire/wire-format.js';
import { Exceptions, RATE_LIMITED } from '../exception/exceptions.js';
import { trimException } from '../exception/trim-exception.js';
import { applyBeforeSend, type Filtered } from '../input/before-send.js';
import { requiredProblem } from '../input/reserved-properties.js';
import { isOfPerson, type SourceEvent } from '../input/source-event.js';
import { type Admission, EventLimits } from '../limits/event-limits.js';
import { buildEvent, type BuilderSettings, type EventSurroundings } from './event-builder.js';
import { IsoClock, UuidSource } from './event-stamps.js';

export interface IntakeSettings extends BuilderSettings {
  readonly maxEventBytes: number;
  readonly beforeSend?: BeforeSend | BeforeSend[];
}

/** An event that can be queued, or the reason why it is dropped. */
export type Taken =
  | {
      readonly ok: true;
      readonly queued: QueuedEvent;
      readonly uuid: string;
      readonly distinctId: string;
      /** The event has no person profile. */
      readonly isPersonless: boolean;
    }
  | {
      readonly ok: false;
      readonly reason: DropReason;
      readonly detail: string;
      readonly uuid: string | null;
      readonly distinctId: string;
      /** The drop is what the application asked for. Default: the reason decides. */
      readonly isWanted?: boolean;
    };

/** A kind of events: how they are encoded, and the settings with their limit. */
interface Kind {
  readonly format: WireFormat;
  readonly settings: IntakeSettings;
  readonly maxBytesBeforeFilters: number;
  /** Describes the limit. */
  readonly limit: string;
}

interface Origin {
  /** The uuid that was generated for the event. */
  readonly ownId: string;
  /** Epoch milliseconds. */
  readonly capturedAt: number;
  /** The package has described an error in it, which it may therefore shorten. */
  readonly isDescribed: boolean;
  /** It is for PostHog's endpoint for AI events. */
  readonly isAi: boolean;
}

type Admitted = Pick<Extract<Admission, { ok: true }>, 'uuid' | 'personlessId' | 'sampleRate'>;

const NO_LIMITS: Admitted = { uuid: undefined, personlessId: undefined, sampleRate: undefined };

const NO_PROFILES =
  'it changes a person or a group, which PostHog does only with person profiles, and option profiles is never: remove the call, or set profiles to identified';

/** Levels of an event that are created here and may be changed: the event and its properties. */
const OWN_LEVELS = 2;
/** `beforeSend` may remove what makes an event too large, so more is accepted before it. */
const MAX_BYTES_BEFORE_FILTERS = 4 * 1024 * 1024;
/** Up to this multiple of `maxEventBytes` the size of a too large event is reported: it may be endless. */
const MAX_REPORTED_SIZE = 2;

/** Turns a checked event into immutable JSON: builds it, calls `beforeSend`, and writes it once. */
export class EventIntake {
  readonly #contexts: ContextStorage;
  readonly #usual: Kind;
  readonly #ai: Kind;
  readonly #exceptions: Exceptions;
  readonly #catalog: EventCatalog;
  readonly #limits: EventLimits;
  readonly #filters: readonly BeforeSend[];
  readonly #uuids = new UuidSource();
  readonly #clock = new IsoClock();
  readonly #personlessId: () => string;

  constructor(
    contexts: ContextStorage,
    mode: CaptureMode,
    given: IntakeSettings,
    exceptions = new Exceptions(),
    catalog = new EventCatalog(),
    limits = new EventLimits(),
  ) {
    const settings = { ...given, superProperties: contentOf(given.superProperties) ?? {} };
    const { maxEventBytes } = settings;
    this.#exceptions = exceptions;
    this.#catalog = catalog;
    this.#limits = limits;
    this.#contexts = contexts;
    this.#usual = {
      format: formatOf(mode),
      settings,
      maxBytesBeforeFilters: Math.max(MAX_BYTES_BEFORE_FILTERS, maxEventBytes),
      limit: `maxEventBytes is ${maxEventBytes} bytes`,
    };
    this.#ai = {
      format: aiFormatOf(mode),
      settings: { ...settings, maxEventBytes: MAX_AI_EVENT_BYTES },
      maxBytesBeforeFilters: 2 * MAX_AI_EVENT_BYTES,
      limit: `PostHog accepts AI events of up to ${MAX_AI_EVENT_BYTES} bytes`,
    };
    this.#filters = given.beforeSend === undefined ? [] : [given.beforeSend].flat();
    this.#personlessId = () => contexts.personlessId();
  }

  take(given: SourceEvent, warn: Warn): Taken {
    const acting = this.#contexts.current();
    const distinctId = given.distinctId ?? acting.distinctId ?? '';
    if (acting.optedOut)
      return { ok: false, reason: 'opted_out', detail: 'the current person opted out', uuid: null, distinctId };
    const { definition, event, properties } = given;
    if (this.#usual.settings.profiles === 'never' && isOfPerson(event))
      return { ok: false, reason: 'invalid', detail: NO_PROFILES, uuid: null, distinctId };
    const isUndefined = definition === undefined && this.#catalog.isOpen;
    const conformed = isUndefined ? null : this.#catalog.conform(event, properties, definition, warn);
    if (conformed?.ok === false)
      return { ok: false, reason: 'schema', detail: conformed.problem, uuid: null, distinctId };
    const source = conformed === null ? given : { ...given, properties: conformed.properties };
    const { dedupeKey } = source;
    const person = given.distinctId ?? acting.distinctId;
    const personlessId = this.#personlessId;
    const limited = { event, definition, dedupeKey, person, personlessId };
    const admission = this.#limits.admit(limited);
    if (admission?.ok === false) return { ...admission, distinctId };
    let taken: Taken | undefined;
    try {
      taken = this.#takeAdmitted(source, acting, admission ?? NO_LIMITS, warn);
      if (taken.ok && this.#filters.length > 0) this.#limits.queued(taken.queued, limited, admission);
      return taken;
    } finally {
      if (taken?.ok !== true) admission?.takeBack();
    }
  }

  #takeAdmitted(source: SourceEvent, acting: CheckedContext, admitted: Admitted, warn: Warn): Taken {
    const { thrown } = source;
    const exception = thrown && this.#exceptions.describe(thrown);
    if (exception === null) {
      const distinctId = source.distinctId ?? acting.distinctId ?? '';
      return { ok: false, reason: 'rate_limited', detail: RATE_LIMITED, uuid: null, distinctId };
    }
    const now = wallClock();
    const uuid = this.#uuids.next(now);
    const timestamp = this.#clock.at(now);
    const { personlessId, sampleRate } = admitted;
    const built = this.#build(admitted.uuid === undefined ? source : { ...source, uuid: admitted.uuid }, {
      acting,
      personlessId: personlessId === undefined ? this.#personlessId : () => personlessId,
      uuid,
      timestamp,
      exception,
      steps: source.event === '$exception' ? this.#contexts.steps() : undefined,
      warn,
    });
    if (sampleRate !== undefined) built.properties.$sample_rate = sampleRate;
    const { isAi = false } = source;
    const origin: Origin = { ownId: uuid, capturedAt: now, isDescribed: exception !== undefined, isAi };
    // Without filters, no other code has a reference to the event and its properties.
    if (this.#filters.length === 0) return this.#write(built, OWN_LEVELS, origin, warn);
    const filtered = this.#filter(built, warn);
    return 'event' in filtered
      ? this.#write(filtered.event, 0, origin, warn)
      : refused(built, filtered.reason, filtered.detail);
  }

  #build(source: SourceEvent, surroundings: EventSurroundings): PostHogEvent {
    const { settings } = this.#kindOf(source);
    try {
      return buildEvent(source, surroundings, settings);
    } catch {
      // A getter or a proxy threw. Reading the properties of every event one by one would be too slow.
      const superProperties = plainCopy(settings.superProperties);
      const plain = { ...source, properties: plainCopy(source.properties) };
      return buildEvent(plain, surroundings, { ...settings, superProperties });
    }
  }

  /** An event with the name of an AI event may be as large as one, also if it was captured as any other. */
  #kindOf({ event }: { readonly event: string }): Kind {
    return isAiEventName(event) ? this.#ai : this.#usual;
  }

  #write(event: PostHogEvent, ownLevels: number, origin: Origin, warn: Warn): Taken {
    const { capturedAt, isDescribed, isAi } = origin;
    const largest = this.#kindOf(event);
    const kind = isAi ? largest : this.#usual;
    const { maxEventBytes } = kind.settings;
    const problem = requiredProblem(event, maxEventBytes);
    if (problem !== null) return refused(event, 'invalid', problem);
    const encoded = kind.format.encode(event);
    const written = toJson(encoded, maxEventBytes, ownLevels);
    if (written === 'too_large') {
      if (kind !== largest) return this.#write(event, ownLevels, { ...origin, isAi: true }, warn);
      const trimmed = isDescribed ? this.#trim(event, warn) : null;
      if (trimmed !== null) return this.#write(trimmed, 0, origin, warn);
      return refused(event, 'too_large', tooLarge(sizeOf(encoded, maxEventBytes), kind));
    }
    const queued = queuedOf(event, kind.format, written, origin);
    this.#contexts.addEventStep(event.event, capturedAt);
    const isPersonless = event.properties.$process_person_profile === false;
    return { ok: true, queued, uuid: event.uuid, distinctId: event.distinct_id, isPersonless };
  }

  #trim(event: PostHogEvent, warn: Warn): PostHogEvent | null {
    const { format, settings } = this.#usual;
    const { maxEventBytes } = settings;
    const trimmed = trimException(
      event.properties,
      (properties) => toJson(format.encode({ ...event, properties }), maxEventBytes) !== 'too_large',
    );
    if (trimmed === null) return null;
    const { properties, parts } = trimmed;
    warn(
      `the error is larger than maxEventBytes (${maxEventBytes} bytes), so it was sent with fewer ${parts.join(', ')}`,
    );
    return { ...event, properties };
  }

  /** Filters get a copy in plain JSON, so they see what PostHog would, and cannot change the caller's objects. */
  #filter(built: PostHogEvent, warn: Warn): Filtered | { readonly reason: DropReason; readonly detail: string } {
    const kind = this.#kindOf(built);
    const { settings, maxBytesBeforeFilters } = kind;
    const written = toJson(built, maxBytesBeforeFilters);
    if (written === 'too_large')
      return { reason: 'too_large', detail: tooLarge(`more than ${maxBytesBeforeFilters}`, kind) };
    return applyBeforeSend(JSON.parse(written.text) as PostHogEvent, this.#filters, settings, warn);
  }
}

type Written = Exclude<ReturnType<typeof toJson>, 'too_large'>;

function queuedOf(
  { uuid, event: name, distinct_id: orderKey }: PostHogEvent,
  format: WireFormat,
  { text, bytes }: Written,
  { ownId, capturedAt }: Origin,
): QueuedEvent {
  // A slice of the payload takes less memory than a string of its own. Code that keeps an id for longer copies it with `ownText`.
  const at = text.indexOf(uuid);
  const id = text.slice(at, at + uuid.length);
  const Class = uuid === ownId ? CapturedEvent : CapturedEventOfGivenId;
  return new Class(id, name, orderKey, format.name, text, bytes, capturedAt);
}

const refused = ({ uuid, distinct_id }: PostHogEvent, reason: DropReason, detail: string): Taken => ({
  ok: false,
  reason,
  detail,
  uuid,
  distinctId: distinct_id,
});

const tooLarge = (size: string, { limit }: Kind): string => `${size} bytes, and ${limit}`;

function sizeOf(event: object, maxEventBytes: number): string {
  const limit = MAX_REPORTED_SIZE * maxEventBytes;
  const written = toJson(event, limit);
  return written === 'too_large' ? `more than ${limit}` : String(written.bytes);
}
