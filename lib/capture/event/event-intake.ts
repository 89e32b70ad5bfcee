import { type ContextStorage } from '../../context/context-storage.js';
import { type DropReason, type QueuedEvent } from '../../delivery/delivery.js';
import { toJson } from '../../json/safe-json.js';
import { type PostHogEvent } from '../../wire/posthog-event.js';
import { type WireFormat } from '../../wire/wire-format.js';
import { applyBeforeSend, type Filtered } from '../input/before-send.js';
import { CapturedEvent, CapturedEventOfGivenId } from './captured-event.js';
import { buildEvent, type BuilderSettings } from './event-builder.js';
import { IsoClock } from './iso-clock.js';
import { requiredProblem } from '../input/required-properties.js';
import { type SourceEvent } from '../input/source-event.js';
import { UuidSource } from './uuid.js';

/** What the intake is told about all events. */
export interface IntakeSettings extends BuilderSettings {
  readonly maxEventBytes: number;
  readonly beforeSend?: BeforeSendOption;
}

type BeforeSendFilter = (event: PostHogEvent) => PostHogEvent | null;
type BeforeSendOption = BeforeSendFilter | BeforeSendFilter[];

/** An event that is ready to go, or why it will not. */
export type Taken =
  | { readonly ok: true; readonly queued: QueuedEvent; readonly uuid: string; readonly distinctId: string }
  | {
      readonly ok: false;
      readonly reason: DropReason;
      readonly detail: string;
      readonly uuid: string | null;
      readonly distinctId: string;
    };

type Warn = (warning: string) => void;

/** The event, and its properties. */
const OWN_LEVELS = 2;
/** `beforeSend` may take from an event what makes it too large. */
const MAX_BYTES_BEFORE_FILTERS = 4 * 1024 * 1024;
/** So many times what it may have, an event's bytes are counted; beyond, they may have no end. */
const COUNTED = 2;

/** Turns checked input into immutable text: enriches it, filters it, writes it once. */
export class EventIntake {
  readonly #contexts: ContextStorage;
  readonly #format: WireFormat;
  readonly #settings: IntakeSettings;
  readonly #filters: readonly BeforeSendFilter[];
  readonly #uuids = new UuidSource();
  readonly #clock = new IsoClock();
  readonly #personlessId: () => string;

  constructor(contexts: ContextStorage, format: WireFormat, settings: IntakeSettings) {
    this.#contexts = contexts;
    this.#format = format;
    this.#settings = settings;
    this.#filters = settings.beforeSend === undefined ? [] : [settings.beforeSend].flat();
    this.#personlessId = () => contexts.personlessId();
  }

  /** @param warn hears what was left out or replaced */
  take(source: SourceEvent, warn: Warn): Taken {
    const acting = this.#contexts.current();
    const distinctId = source.distinctId ?? acting.distinctId ?? '';
    if (acting.optedOut)
      return { ok: false, reason: 'opted_out', detail: 'the acting person opted out', uuid: null, distinctId };
    const now = Date.now();
    const uuid = this.#uuids.next(now);
    const timestamp = this.#clock.at(now);
    const built = buildEvent(
      source,
      { acting, personlessId: this.#personlessId, uuid, timestamp, warn },
      this.#settings,
    );
    // Without filters the event and its properties are nobody else's.
    if (this.#filters.length === 0) return this.#write(built, OWN_LEVELS, uuid, now);
    const filtered = this.#filter(built, warn);
    return 'event' in filtered
      ? this.#write(filtered.event, 0, uuid, now)
      : refused(built, filtered.reason, filtered.detail);
  }

  /** @param ownId the uuid that was made for the event */
  #write(event: PostHogEvent, ownLevels: number, ownId: string, capturedAt: number): Taken {
    const { maxEventBytes } = this.#settings;
    const problem = requiredProblem(event, maxEventBytes);
    if (problem !== null) return refused(event, 'invalid', problem);
    const encoded = this.#format.encode(event);
    const written = toJson(encoded, maxEventBytes, ownLevels);
    if (written === 'too_large')
      return refused(event, 'too_large', tooLarge(sizeOf(encoded, maxEventBytes), maxEventBytes));
    const queued = this.#queued(event, ownId, written, capturedAt);
    return { ok: true, queued, uuid: event.uuid, distinctId: event.distinct_id };
  }

  /** Filters see what PostHog would, so they meet neither a getter nor a proxy, and cannot change what the caller holds. */
  #filter(built: PostHogEvent, warn: Warn): Filtered | { readonly reason: DropReason; readonly detail: string } {
    const { maxEventBytes } = this.#settings;
    const limit = Math.max(MAX_BYTES_BEFORE_FILTERS, maxEventBytes);
    const written = toJson(built, limit);
    if (written === 'too_large') return { reason: 'too_large', detail: tooLarge(`more than ${limit}`, maxEventBytes) };
    return applyBeforeSend(JSON.parse(written.text) as PostHogEvent, this.#filters, this.#settings, warn);
  }

  #queued(
    { uuid, event: name, distinct_id: orderKey }: PostHogEvent,
    ownId: string,
    { text, bytes }: Written,
    capturedAt: number,
  ): QueuedEvent {
    // A part of the payload, which is held anyway, takes less memory than a text of its own; whoever keeps an id gets `ownText`.
    const at = text.indexOf(uuid);
    const id = text.slice(at, at + uuid.length);
    const Class = uuid === ownId ? CapturedEvent : CapturedEventOfGivenId;
    return new Class(id, name, orderKey, this.#format.mode, text, bytes, capturedAt);
  }
}

type Written = Exclude<ReturnType<typeof toJson>, 'too_large'>;

const refused = ({ uuid, distinct_id }: PostHogEvent, reason: DropReason, detail: string): Taken => ({
  ok: false,
  reason,
  detail,
  uuid,
  distinctId: distinct_id,
});

const tooLarge = (size: string, maxEventBytes: number): string =>
  `${size} bytes, and maxEventBytes is ${maxEventBytes} bytes`;

/** How many bytes an event has that has too many. */
function sizeOf(event: object, maxEventBytes: number): string {
  const limit = COUNTED * maxEventBytes;
  const written = toJson(event, limit);
  return written === 'too_large' ? `more than ${limit}` : String(written.bytes);
}
