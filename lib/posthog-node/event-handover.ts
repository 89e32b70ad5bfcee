import { types } from 'node:util';
import { type EventMessage, type PostHogOptions } from 'posthog-node';
import { type CaptureEvent } from '../capture/capture-event.js';
import {
  captureForeign,
  captureForeignNow,
  dropForeign,
  type ForeignEventOptions,
  rememberForeignError,
} from '../capture/capture-foreign.js';
import { type CaptureService } from '../capture/capture.service.js';
import { fieldOf, isObject } from '../shared/untrusted-values.js';
import { type BridgedCall, currentCall } from './bridged-call.js';
import { madeUpId, personOf } from './identity.js';

export interface HandoverSettings {
  readonly beforeSend: PostHogOptions['before_send'];
  /** Of the client; the instance has a default. */
  readonly disableGeoip: boolean | undefined;
  readonly warn: (kind: string, text: string) => void;
}

type Properties = Record<string, unknown>;

const FLAG_CALLED = '$feature_flag_called';

/** Captures the events of a client of posthog-node, which keeps none of them. */
export class EventHandover {
  readonly #capture: CaptureService;
  readonly #settings: HandoverSettings;
  readonly #filters: readonly ((event: EventMessage) => EventMessage | null)[];
  #hasWarnedOfFlags = false;

  constructor(capture: CaptureService, settings: HandoverSettings) {
    this.#capture = capture;
    this.#settings = settings;
    const { beforeSend } = settings;
    this.#filters = beforeSend === undefined ? [] : [beforeSend].flat();
  }

  /** Never throws. */
  take(event: EventMessage): void {
    const call = currentCall();
    const invented = madeUpId(event, call);
    const person = invented === undefined ? undefined : personOf(this.#capture);
    // Filters see the person, as they do for an event with an id.
    const shown =
      person === undefined ? event : { ...event, distinctId: person, properties: withGivenProfile(event, call) };
    const filtered = this.#filter(shown);
    if (typeof filtered === 'string') {
      dropForeign(this.#capture, event.event, filtered);
      return;
    }
    // The context has no person, but its events share an id; the events of one AI trace have that of the trace.
    const isOurs = invented !== undefined && filtered.distinctId === invented.id && invented.isReplaceable;
    this.#hand(
      isOurs ? { ...filtered, distinctId: undefined, properties: withGivenProfile(filtered, call) } : filtered,
      call,
    );
  }

  #hand(event: EventMessage, call: BridgedCall | undefined): void {
    const source = this.#sourceOf(event, call);
    const options: ForeignEventOptions = { bare: event.event === FLAG_CALLED, ai: call?.isAi === true };
    const error = event.event === '$exception' ? call?.error : undefined;
    const remember = (uuid: string | null): void => {
      if (error !== undefined) rememberForeignError(this.#capture, error.value, uuid);
    };
    if (call?.isImmediate !== true) {
      remember(captureForeign(this.#capture, source, options));
      return;
    }
    call.sent = captureForeignNow(this.#capture, source, options);
    // A test double may reject; the caller of posthog-node gets the error.
    call.sent.then(({ uuid }) => remember(uuid)).catch(() => undefined);
  }

  #sourceOf(event: EventMessage, call: BridgedCall | undefined): CaptureEvent {
    const { distinctId, properties, groups, flags, timestamp, disableGeoip, uuid } = event;
    if (fieldOf(event, 'sendFeatureFlags') && flags === undefined) this.#warnOfFlags();
    const suppressed = (event.event === '$exception' && call?.error?.suppressed) || 0;
    return {
      event: event.event,
      distinctId,
      properties: suppressed > 0 ? { ...properties, $exception_suppressed: suppressed } : properties,
      groups,
      flags,
      timestamp,
      uuid,
      disableGeoip: disableGeoip ?? this.#settings.disableGeoip,
    };
  }

  /** Returns the reason of the drop in place of an event. */
  #filter(event: EventMessage): EventMessage | string {
    let filtered: unknown = event;
    for (const filter of this.#filters) {
      try {
        filtered = filter(filtered as EventMessage);
      } catch {
        // The error's message may quote the event.
        return "posthog-node's before_send threw";
      }
      if (!filtered) return "posthog-node's before_send returned nothing";
      if (types.isPromise(filtered)) {
        filtered.catch(() => undefined);
        return "posthog-node's before_send must be synchronous, but it returned a promise";
      }
      if (!isObject(filtered)) return "posthog-node's before_send must return an event or null";
    }
    return filtered as EventMessage;
  }

  #warnOfFlags(): void {
    if (this.#hasWarnedOfFlags) return;
    this.#hasWarnedOfFlags = true;
    this.#settings.warn(
      'posthog-node: sendFeatureFlags',
      'sendFeatureFlags has no effect on a bridged client of posthog-node: pass flags, the result of evaluateFlags().',
    );
  }
}

/** The properties with `$process_person_profile` as the caller gave it, in place of that of posthog-node or `@posthog/ai`. */
function withGivenProfile({ properties }: EventMessage, call: BridgedCall | undefined): Properties {
  const { $process_person_profile: set, ...others } = properties ?? {};
  // Changed by a filter.
  if (set !== false) return { ...properties };
  return typeof call?.givenProfile === 'boolean' ? { ...others, $process_person_profile: call.givenProfile } : others;
}
