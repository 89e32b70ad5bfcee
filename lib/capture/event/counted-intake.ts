import { type CaptureParts } from '../capture-parts.js';
import { type QueuedEvent } from '../../delivery/delivery.js';
import { inheritPersonal } from '../../shared/personal-properties.js';
import { type Warn } from '../../shared/unknown-fields.js';
import { type Checked, type SourceEvent } from '../input/source-event.js';
import { type Taken } from './event-intake.js';
import { ownText } from './event-stamps.js';

const NO_WARNINGS: readonly string[] = [];
const EVENT_UNREADABLE = 'the event could not be read';

/** Takes checked events in: counts the calls, and reports their warnings and drops. */
export class CountedIntake {
  /** Number of calls. */
  calls = 0;
  readonly #parts: Pick<CaptureParts, 'exceptions' | 'intake' | 'reporter'>;

  constructor(parts: Pick<CaptureParts, 'exceptions' | 'intake' | 'reporter'>) {
    this.#parts = parts;
  }

  take(checked: Checked): Taken {
    const { exceptions, reporter } = this.#parts;
    if (!checked.ok) {
      const { event, problem: detail, reason = 'invalid' } = checked;
      this.calls += 1;
      reporter.events.refused(event);
      reporter.dropped({ reason, event, uuid: null, detail });
      return { ok: false, reason, detail, uuid: null, distinctId: '' };
    }
    const { source, warnings } = checked;
    let told = null as string[] | null;
    const warn: Warn = (warning, isOfName) => {
      (told ??= []).push(warning);
      reporter.warned(warning, source.event, isOfName);
    };
    for (const warning of warnings) warn(warning);
    const taken = this.#takeSafely(source, warn);
    // Not before: a beforeSend that calls stats() must not see an event that is neither pending nor dropped.
    this.calls += 1;
    if (taken.ok) reporter.events.accepted(taken.queued.name, taken.queued.bytes, taken.isPersonless);
    else reporter.events.refused(source.event);
    // Not for invalid arguments: a corrected call is to be captured.
    if (source.thrown && (taken.ok || taken.reason !== 'invalid'))
      exceptions.remember(source.thrown, taken.ok ? ownText(taken.uuid) : null);
    if (taken.ok) this.#compare(taken.queued, source, told ?? NO_WARNINGS);
    if (!taken.ok) {
      const { reason, detail, isWanted } = taken;
      // The uuid of a duplicate is that of an event which has a fate of its own.
      const uuid = reason === 'duplicate' ? null : taken.uuid;
      reporter.dropped({ reason, event: source.event, uuid, detail }, undefined, isWanted);
    }
    return taken;
  }

  /** `beforeSend` may have renamed the event. */
  #compare(queued: QueuedEvent, { event: name }: SourceEvent, warnings: readonly string[]): void {
    if (queued.name !== name) inheritPersonal(queued.name, name);
    else if (warnings.length === 0) return;
    this.#parts.reporter.altered(queued, name, warnings);
  }

  #takeSafely(source: SourceEvent, warn: Warn): Taken {
    try {
      return this.#parts.intake.take(source, warn);
    } catch {
      // Hostile input may throw anywhere: the event is dropped, and the caller gets no error.
      return {
        ok: false,
        reason: 'invalid',
        detail: EVENT_UNREADABLE,
        uuid: null,
        distinctId: source.distinctId ?? '',
      };
    }
  }
}
