import { type ContextStorage } from '../context/context-storage.js';
import { type DropReason, type QueuedEvent } from '../delivery/delivery.js';
import { type PostHogEvent } from '../wire/posthog-event.js';
import { type WireFormat } from '../wire/wire-format.js';
import { applyBeforeSend } from './before-send.js';
import { buildEvent, type BuilderSettings } from './event-builder.js';
import { toJson } from './safe-json.js';
import { type SourceEvent } from './source-event.js';
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
  | { readonly ok: true; readonly queued: QueuedEvent; readonly distinctId: string }
  | {
      readonly ok: false;
      readonly reason: DropReason;
      readonly detail: string;
      readonly uuid: string | null;
      readonly distinctId: string;
    };

/** `beforeSend` may take from an event what makes it too large. */
const MAX_BYTES_BEFORE_FILTERS = 16 * 1024 * 1024;

/** Turns checked input into immutable text: enriches it, filters it, writes it once. */
export class EventIntake {
  readonly #contexts: ContextStorage;
  readonly #format: WireFormat;
  readonly #settings: IntakeSettings;
  readonly #filters: readonly BeforeSendFilter[];
  readonly #uuids = new UuidSource();

  constructor(contexts: ContextStorage, format: WireFormat, settings: IntakeSettings) {
    this.#contexts = contexts;
    this.#format = format;
    this.#settings = settings;
    this.#filters = settings.beforeSend === undefined ? [] : [settings.beforeSend].flat();
  }

  take(source: SourceEvent): Taken {
    const acting = this.#contexts.current();
    const distinctId = source.distinctId ?? acting.distinctId ?? '';
    if (acting.optedOut)
      return { ok: false, reason: 'opted_out', detail: 'the acting person opted out', uuid: null, distinctId };
    const built = buildEvent(
      source,
      {
        acting,
        personlessId: () => this.#contexts.personlessId(),
        newUuid: () => this.#uuids.next(),
        now: () => new Date(),
      },
      this.#settings,
    );
    const filtered = this.#filters.length > 0 ? this.#filter(built) : { event: built };
    if (!('event' in filtered)) return { ok: false, ...filtered, uuid: built.uuid, distinctId: built.distinct_id };
    return this.#write(filtered.event);
  }

  /** Filters see what PostHog would, so they meet neither a getter nor a proxy, and cannot change what the caller holds. */
  #filter(built: PostHogEvent): ReturnType<typeof applyBeforeSend> {
    const written = toJson(built, Math.max(MAX_BYTES_BEFORE_FILTERS, this.#settings.maxEventBytes));
    if (written === 'too_large') return { reason: 'invalid', detail: 'far too large for beforeSend' };
    return applyBeforeSend(JSON.parse(written.text) as PostHogEvent, this.#filters);
  }

  #write(event: PostHogEvent): Taken {
    const { maxEventBytes } = this.#settings;
    const { uuid: id, event: name, distinct_id: distinctId } = event;
    const written = toJson(this.#format.encode(event), maxEventBytes);
    if (written === 'too_large') {
      const detail = `larger than maxEventBytes (${maxEventBytes} bytes)`;
      return { ok: false, reason: 'too_large', detail, uuid: id, distinctId };
    }
    const { text: payload, bytes } = written;
    const queued: QueuedEvent = {
      id,
      name,
      orderKey: distinctId,
      format: this.#format.mode,
      payload,
      bytes,
      capturedAt: Date.now(),
    };
    return { ok: true, queued, distinctId };
  }
}
