import { UUID } from '../../../capture/input/rules.js';
import { isObject } from '../../../shared/untrusted-values.js';
import { type JsonObject } from '../../event-input.js';
import { stableUuid } from '../stable-uuid.js';
import { idOf, isGiven, objectOf, renamed, type SourceFormat } from './source-format.js';

/** https://amplitude.com/docs/apis/analytics/export */
const FIELDS = {
  ip_address: '$ip',
  country: '$geoip_country_name',
  region: '$geoip_subdivision_1_name',
  city: '$geoip_city_name',
  language: '$browser_language',
  version_name: '$app_version',
  device_type: '$device_type',
  device_model: '$device_model',
  device_manufacturer: '$device_manufacturer',
  device_id: '$device_id',
  session_id: 'amplitude_session_id',
};
const NATIVE = { os_name: '$os', os_version: '$os_version' };
/** For websites, Amplitude names the browser as operating system. */
const WEB = { os_name: '$browser', os_version: '$browser_version' };
const PAGE = { '[Amplitude] Page URL': '$current_url', '[Amplitude] Page Path': '$pathname' };
const PAGE_VIEW = '[Amplitude] Page Viewed';
const IDS = ['user_id', 'device_id', 'amplitude_id', 'uuid', '$insert_id', 'insert_id', 'groups'];
/** UTC without a time zone, with up to nine digits after the second, of which three are kept. */
const TIME = /^(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z?$/;

export const amplitude: SourceFormat = {
  isId: ([first = '']) => IDS.includes(first),
  map(line) {
    const { event_type: type } = line;
    if (typeof type !== 'string') return 'it has no event_type of Amplitude';
    const userId = idOf(line.user_id);
    const deviceId = idOf(line.device_id);
    const distinctId = userId ?? deviceId ?? idOf(line.amplitude_id);
    if (distinctId === undefined) return 'user_id and device_id are missing';
    const timestamp = timeOf(line.event_time);
    if (timestamp === undefined) return 'event_time is missing, or is not a time of Amplitude';
    const groups = groupsOf(line.groups);
    const userProperties = objectOf(line.user_properties);
    const given = objectOf(line.event_properties);
    const properties: JsonObject = {
      ...renamed(line, FIELDS),
      ...renamed(line, line.platform === 'Web' ? WEB : NATIVE),
      ...(type === PAGE_VIEW && renamed(given, PAGE)),
      ...given,
    };
    if (Object.keys(userProperties).length > 0) properties.$set = userProperties;
    const identified = type === '$groupidentify' ? groupProperties(groups, line.group_properties) : {};
    return {
      input: {
        event: type === '$identify' ? '$set' : type === PAGE_VIEW ? '$pageview' : type,
        distinct_id: distinctId,
        timestamp,
        ...uuidOf(line, deviceId),
        properties: { ...properties, ...identified },
        ...(Object.keys(groups).length > 0 && { groups }),
      },
      anonymousId: userId !== undefined && deviceId !== userId ? deviceId : undefined,
    };
  },
};

function timeOf(time: unknown): string | undefined {
  const [, date, clock, fraction = ''] = typeof time === 'string' ? (TIME.exec(time) ?? []) : [];
  return date && clock ? `${date}T${clock}.${fraction.slice(0, 3).padEnd(3, '0')}Z` : undefined;
}

function uuidOf(line: JsonObject, deviceId: string | undefined): { uuid?: string } {
  if (typeof line.uuid === 'string' && UUID.read(line.uuid) !== null) return { uuid: line.uuid };
  const insertId = idOf(line.$insert_id, line.insert_id);
  return insertId === undefined ? {} : { uuid: stableUuid(JSON.stringify(['amplitude', deviceId, insertId])) };
}

/** Amplitude has lists of groups, PostHog one group of a type: the first. */
function groupsOf(given: unknown): Record<string, unknown> {
  const groups: Record<string, unknown> = {};
  for (const [type, names] of Object.entries(objectOf(given))) {
    const name: unknown = Array.isArray(names) ? (names as unknown[])[0] : names;
    if (isGiven(name)) groups[type] = name;
  }
  return groups;
}

function groupProperties(groups: Record<string, unknown>, properties: unknown): JsonObject {
  const [type, key] = Object.entries(groups)[0] ?? [];
  if (type === undefined) return {};
  const own = objectOf(objectOf(properties)[type]);
  const ofGroup = isObject(own[String(key)]) ? own[String(key)] : own;
  return { $group_type: type, $group_key: key, $group_set: ofGroup };
}
