import { type CheckedContext } from '../../context/capture-context.js';
import { type ExceptionStep } from '../../context/exception-steps.js';
import { type ProfileMode } from '../../context/profile-mode.js';
import { type Warn } from '../../shared/unknown-fields.js';
import { plainCopy } from '../../shared/untrusted-values.js';
import { LIBRARY_NAME, LIBRARY_VERSION } from '../../shared/version.js';
import { type PostHogEvent } from '../../wire/posthog-event.js';
import { type DescribedException } from '../exception/exceptions.js';
import { removeOwned } from '../exception/owned-properties.js';
import { correctReserved, type ReservedSettings } from '../input/reserved-properties.js';
import { type SourceEvent } from '../input/source-event.js';
import { flagProperties } from './flag-properties.js';

type Properties = Record<string, unknown>;

const LIBRARY: Properties = { $lib: LIBRARY_NAME, $lib_version: LIBRARY_VERSION, $is_server: true };

const NOT_APPLIED = 'PostHog ignores its $set, $set_once and $unset, because option profiles is never';

/** Options of the module for all events. */
export interface BuilderSettings extends ReservedSettings {
  readonly disableGeoip: boolean;
  /** Default: `always`. */
  readonly profiles?: ProfileMode;
  readonly superProperties: Readonly<Properties>;
}

/** The context and the defaults of one event. */
export interface EventSurroundings {
  readonly acting: CheckedContext;
  /** The distinct id of an event without a person. */
  readonly personlessId: () => string;
  readonly uuid: string;
  /** The time of capture, in RFC 3339. */
  readonly timestamp: string;
  /** The error that the event describes. */
  readonly exception?: DescribedException | undefined;
  /** The steps of the context, for an error. */
  readonly steps?: readonly ExceptionStep[] | undefined;
  readonly warn: Warn;
}

/**
 * Makes the event in PostHog's form. Properties of the call take precedence over those of the context, and these over `superProperties`. They are
 * copied one level deep: each getter is called once, and the caller may change its object afterwards. Throws if a getter throws.
 */
export function buildEvent(
  source: SourceEvent,
  surroundings: EventSurroundings,
  settings: BuilderSettings,
): PostHogEvent {
  const distinctId = source.distinctId ?? surroundings.acting.distinctId;
  return {
    event: source.event,
    distinct_id: distinctId ?? surroundings.personlessId(),
    uuid: source.uuid ?? surroundings.uuid,
    timestamp: source.timestamp ?? surroundings.timestamp,
    properties: mergeProperties(source, surroundings, settings, distinctId === undefined),
  };
}

function mergeProperties(
  source: SourceEvent,
  { acting, exception, steps, warn }: EventSurroundings,
  settings: BuilderSettings,
  isPersonless: boolean,
): Properties {
  const own = source.properties ?? {};
  // V8 copies several times faster if the literal begins with a name, and faster than any loop.
  const properties: Properties = {
    $lib: LIBRARY_NAME,
    ...(source.isBare ? undefined : settings.superProperties),
    ...(source.isBare ? undefined : acting.properties),
    ...(source.flags && flagProperties(source.flags, acting.properties)),
    ...own,
    ...LIBRARY,
  };
  // JSON.stringify would call it, and its result would replace all properties.
  if (typeof properties.toJSON === 'function') remove(properties, 'toJSON');
  correctReserved(properties, settings, warn);
  if (source.root) addRoot(properties, source.root, settings, warn);
  if (exception) addException(properties, exception, warn);
  // Steps that the application gives itself replace those of the context, as in PostHog's own clients.
  if (steps !== undefined && steps.length > 0) properties.$exception_steps ??= steps;

  if (acting.sessionId !== undefined && own.$session_id === undefined) properties.$session_id = acting.sessionId;
  if (acting.groups ?? source.groups)
    properties.$groups = { ...acting.groups, ...(properties.$groups as Properties), ...source.groups };
  const isGeoipGiven = (properties.$geoip_disable ?? undefined) !== undefined;
  if (source.disableGeoip ?? (settings.disableGeoip && !isGeoipGiven)) properties.$geoip_disable = true;
  if (source.disableGeoip === false) remove(properties, '$geoip_disable');

  const isProfileGiven = typeof own.$process_person_profile === 'boolean';
  if ((isPersonless || isWithoutProfile(source, acting, settings, properties)) && !isProfileGiven)
    properties.$process_person_profile = false;
  if (settings.profiles === 'never' && changesPerson(properties)) warn(NOT_APPLIED);
  if (source.switches) Object.assign(properties, source.switches);
  // A default for ordinary events: PostHog would ignore an identify, alias or group event that has it.
  const isOwn = isProfileGiven || source.switches?.$process_person_profile !== undefined;
  if (source.needsProfile && !isPersonless && !isOwn) remove(properties, '$process_person_profile', false);
  return properties;
}

function isWithoutProfile(
  { distinctId, needsProfile }: SourceEvent,
  { unidentified }: CheckedContext,
  { profiles = 'always' }: BuilderSettings,
  properties: Properties,
): boolean {
  if (profiles !== 'identified') return profiles === 'never';
  return distinctId === undefined && unidentified === true && !needsProfile && !changesPerson(properties);
}

/** PostHog would ignore the change without a person profile. */
const changesPerson = (properties: Properties): boolean =>
  (properties.$set ?? properties.$set_once ?? properties.$unset ?? undefined) !== undefined;

function addException(properties: Properties, { properties: own, defaults }: DescribedException, warn: Warn): void {
  removeOwned(properties, warn);
  for (const [name, value] of Object.entries(defaults)) properties[name] ??= value;
  Object.assign(properties, own);
}

/** PostHog reads these at the root of an event as well, but not from v1 or a batch. The root takes precedence. */
function addRoot(properties: Properties, root: Readonly<Properties>, settings: BuilderSettings, warn: Warn): void {
  const given: Properties = { ...root };
  correctReserved(given, settings, warn);
  for (const name of ['$set', '$set_once'])
    if (given[name] !== undefined) properties[name] = { ...plainCopy(properties[name]), ...plainCopy(given[name]) };
  const names = [properties.$unset, given.$unset].flatMap((list) => (list as string[] | undefined) ?? []);
  if (names.length > 0) properties.$unset = [...new Set(names)];
}

/** Deleting makes an object slow, so only an existing property is deleted. */
function remove(properties: Properties, name: string, value = properties[name]): void {
  if (value !== undefined && properties[name] === value) Reflect.deleteProperty(properties, name);
}
