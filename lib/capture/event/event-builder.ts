import { type CheckedContext } from '../../context/capture-context.js';
import { readable } from '../../shared/untrusted-values.js';
import { LIBRARY_NAME, LIBRARY_VERSION } from '../../shared/version.js';
import { type PostHogEvent } from '../../wire/posthog-event.js';
import { correctReserved, type ReservedSettings } from '../input/reserved-properties.js';
import { type SourceEvent } from '../input/source-event.js';

type Properties = Record<string, unknown>;

const LIBRARY: Properties = { $lib: LIBRARY_NAME, $lib_version: LIBRARY_VERSION, $is_server: true };

/** What the module says about all events. */
export interface BuilderSettings extends ReservedSettings {
  readonly disableGeoip: boolean;
  readonly superProperties: Readonly<Properties>;
}

/** Who acts, and what an event is given that names none of its own. */
export interface EventSurroundings {
  readonly acting: CheckedContext;
  /** The id of those who act without a name. */
  readonly personlessId: () => string;
  readonly uuid: string;
  /** The time of capture, as PostHog has it. */
  readonly timestamp: string;
  /** Hears what was left out. */
  readonly warn: (warning: string) => void;
}

/**
 * Makes the event that PostHog will see, from what the caller said, the context, and the module's settings: the nearer
 * wins. Properties are copied one level deep, so a getter is read once and a caller may go on changing its object.
 */
export function buildEvent(
  source: SourceEvent,
  surroundings: EventSurroundings,
  settings: BuilderSettings,
): PostHogEvent {
  const { acting } = surroundings;
  const distinctId = source.distinctId ?? acting.distinctId;
  const isPersonless = distinctId === undefined;
  const own = source.properties ?? {};
  let properties: Properties;
  try {
    properties = mergeProperties(own, source, surroundings, settings, isPersonless);
  } catch {
    // A getter or a proxy threw: read again with care.
    const careful = { ...settings, superProperties: readable(settings.superProperties) };
    properties = mergeProperties(readable(own), source, surroundings, careful, isPersonless);
  }
  return {
    event: source.event,
    distinct_id: distinctId ?? surroundings.personlessId(),
    uuid: source.uuid ?? surroundings.uuid,
    timestamp: source.timestamp ?? surroundings.timestamp,
    properties,
  };
}

function mergeProperties(
  own: Readonly<Properties>,
  source: SourceEvent,
  { acting, warn }: EventSurroundings,
  settings: BuilderSettings,
  isPersonless: boolean,
): Properties {
  // V8 copies several times faster when the literal begins with a name, and faster than any loop.
  const properties: Properties = {
    $lib: LIBRARY_NAME,
    ...settings.superProperties,
    ...acting.properties,
    ...own,
    ...LIBRARY,
  };
  // Among the properties it would speak for all of them.
  if (typeof properties.toJSON === 'function') remove(properties, 'toJSON');
  correctReserved(properties, settings, warn);

  if (acting.sessionId !== undefined && own.$session_id === undefined) properties.$session_id = acting.sessionId;
  if (acting.groups ?? source.groups)
    properties.$groups = { ...acting.groups, ...(properties.$groups as Properties), ...source.groups };
  const isGeoipSaid = (properties.$geoip_disable ?? undefined) !== undefined;
  if (source.disableGeoip ?? (settings.disableGeoip && !isGeoipSaid)) properties.$geoip_disable = true;
  if (source.disableGeoip === false) remove(properties, '$geoip_disable');

  const isProfileSaid = typeof own.$process_person_profile === 'boolean';
  if (isPersonless && !isProfileSaid) properties.$process_person_profile = false;
  if (source.switches) Object.assign(properties, source.switches);
  // Meant for ordinary events: PostHog would ignore an identify, alias or group event that has it.
  const isMeant = isProfileSaid || source.switches?.$process_person_profile !== undefined;
  if (source.needsProfile && !isPersonless && !isMeant) remove(properties, '$process_person_profile', false);
  return properties;
}

/** Deleting costs an object its fast form, so only what is there is deleted. */
function remove(properties: Properties, name: string, value = properties[name]): void {
  if (value !== undefined && properties[name] === value) Reflect.deleteProperty(properties, name);
}
