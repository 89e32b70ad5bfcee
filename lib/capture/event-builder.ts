import { type ActingContext } from '../context/capture-context.js';
import { readable } from '../context/untrusted-values.js';
import { LIBRARY_NAME, LIBRARY_VERSION } from '../version.js';
import { type PostHogEvent } from '../wire/posthog-event.js';
import { type SourceEvent } from './source-event.js';

type Properties = Record<string, unknown>;

/** What the module says about all events. */
export interface BuilderSettings {
  readonly disableGeoip: boolean;
  readonly superProperties: Readonly<Properties>;
}

/** Who acts, and what an event is given that names none of its own. */
export interface EventSurroundings {
  readonly acting: ActingContext;
  /** The id of those who act without a name. */
  personlessId(): string;
  newUuid(): string;
  now(): Date;
}

/** The types of the switches among the properties: PostHog refuses a whole batch because of a wrong one. */
const SWITCHES = [
  ['$cookieless_mode', 'boolean'],
  ['$ignore_sent_at', 'boolean'],
  ['$process_person_profile', 'boolean'],
  ['$product_tour_id', 'string'],
] as const;

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
    properties = mergeProperties(own, source, acting, settings, isPersonless);
  } catch {
    // A getter or a proxy threw: read again with care.
    const careful = { ...settings, superProperties: readable(settings.superProperties) };
    properties = mergeProperties(readable(own), source, acting, careful, isPersonless);
  }
  return {
    uuid: source.uuid ?? surroundings.newUuid(),
    event: source.event,
    distinct_id: distinctId ?? surroundings.personlessId(),
    timestamp: source.timestamp ?? surroundings.now().toISOString(),
    properties,
  };
}

function mergeProperties(
  own: Readonly<Properties>,
  source: SourceEvent,
  acting: ActingContext,
  { superProperties, disableGeoip }: BuilderSettings,
  isPersonless: boolean,
): Properties {
  const around = acting.properties;
  const assigned: Properties = { $lib: LIBRARY_NAME, $lib_version: LIBRARY_VERSION, $is_server: true };
  if (isPersonless && own.$process_person_profile === undefined) assigned.$process_person_profile = false;
  if (acting.sessionId !== undefined && own.$session_id === undefined) assigned.$session_id = acting.sessionId;
  const geoip = own.$geoip_disable ?? around?.$geoip_disable ?? superProperties.$geoip_disable;
  if (source.disableGeoip ?? (disableGeoip && geoip === undefined)) assigned.$geoip_disable = true;
  if (acting.groups ?? source.groups) {
    const given = own.$groups ?? around?.$groups ?? superProperties.$groups;
    assigned.$groups = { ...acting.groups, ...(Array.isArray(given) ? {} : readable(given)), ...source.groups };
  }
  if (source.switches) Object.assign(assigned, source.switches);

  // V8 copies several times faster when the literal begins with a name, and faster than any loop.
  const properties: Properties = { $lib: LIBRARY_NAME, ...superProperties, ...around, ...own, ...assigned };

  if (source.disableGeoip === false) remove(properties, '$geoip_disable');
  // Meant for ordinary events: PostHog would ignore an identify, alias or group event that has it.
  const profile = own.$process_person_profile ?? assigned.$process_person_profile;
  if (source.needsProfile && profile === undefined) remove(properties, '$process_person_profile', false);
  for (const [name, type] of SWITCHES) {
    if (properties[name] !== undefined && typeof properties[name] !== type) remove(properties, name);
  }
  // Among the properties it would speak for all of them.
  if (typeof properties.toJSON === 'function') remove(properties, 'toJSON');
  return properties;
}

/** Deleting costs an object its fast form, so only what is there is deleted. */
function remove(properties: Properties, name: string, value = properties[name]): void {
  if (value !== undefined && properties[name] === value) Reflect.deleteProperty(properties, name);
}
