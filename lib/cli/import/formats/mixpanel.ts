import { isObject } from '../../../shared/untrusted-values.js';
import { type JsonObject } from '../../event-input.js';
import { stableUuid } from '../stable-uuid.js';
import { idOf, renamed, type SourceFormat, without } from './source-format.js';

/** https://developer.mixpanel.com/reference/raw-event-export */
const PROPERTIES = {
  ip: '$ip',
  $city: '$geoip_city_name',
  $region: '$geoip_subdivision_1_name',
  mp_country_code: '$geoip_country_code',
  $app_version_string: '$app_version',
  $manufacturer: '$device_manufacturer',
  $model: '$device_model',
};
/** Fields of the event itself, and of Mixpanel's library and pipeline. */
const CONSUMED = [
  'time',
  'distinct_id',
  'mp_lib',
  '$lib_version',
  'mp_processing_time_ms',
  '$import',
  '$mp_api_endpoint',
];
const EVENTS: ReadonlyMap<string, string> = new Map([['$mp_web_page_view', '$pageview']]);
const IDS = [
  'distinct_id',
  '$insert_id',
  '$device_id',
  '$user_id',
  '$identified_id',
  '$anon_id',
  'alias',
  '$distinct_ids',
];
/** Mixpanel's id of an anonymous person in projects with the simplified id merge. */
const ANONYMOUS = '$device:';
/** A larger time is in milliseconds. */
const MAX_SECONDS = 1e11;

export const mixpanel: SourceFormat = {
  isId: ([first = '', second = '']) => first === 'properties' && IDS.includes(second),
  map(line) {
    const { event, properties } = line;
    if (typeof event !== 'string' || !isObject(properties)) return 'it has no event and properties of Mixpanel';
    const { time } = properties;
    if (typeof time !== 'number' || !Number.isFinite(time)) return 'properties.time is missing';
    const insertId = idOf(properties.$insert_id);
    const distinctId = idOf(properties.distinct_id);
    const uuid = insertId && stableUuid(JSON.stringify(['mixpanel', event, distinctId, time, insertId]));
    const timestamp = dateOf(time < MAX_SECONDS ? time * 1000 : time);
    if (timestamp === undefined) return 'properties.time is not a time';
    const base = { timestamp, ...(uuid && { uuid }) };
    const merge = mergeOf(event, properties);
    if (typeof merge === 'string') return merge;
    if (merge !== undefined) return { input: { ...base, ...merge } };
    if (distinctId === undefined) return 'properties.distinct_id is missing';
    const own = without(properties, [...CONSUMED, ...Object.keys(PROPERTIES)]);
    const deviceId = idOf(properties.$device_id);
    const anonymousId =
      deviceId !== undefined && idOf(properties.$user_id) === distinctId ? `${ANONYMOUS}${deviceId}` : undefined;
    return {
      input: {
        ...base,
        event: EVENTS.get(event) ?? event,
        distinct_id: distinctId,
        properties: { ...renamed(properties, PROPERTIES), ...own },
      },
      anonymousId,
    };
  },
};

/** The event by which PostHog merges the same ids; undefined if Mixpanel's event merges none. */
function mergeOf(event: string, properties: JsonObject): JsonObject | string | undefined {
  if (event === '$identify' && idOf(properties.$identified_id) !== undefined) {
    const anonymousId = idOf(properties.$anon_id);
    if (anonymousId === undefined) return 'properties.$anon_id is missing';
    return {
      event: '$identify',
      distinct_id: idOf(properties.$identified_id),
      properties: { $anon_distinct_id: anonymousId },
    };
  }
  const [kept, merged] =
    event === '$create_alias'
      ? [properties.distinct_id, properties.alias]
      : event === '$merge' && Array.isArray(properties.$distinct_ids)
        ? (properties.$distinct_ids as unknown[])
        : [];
  if (event !== '$create_alias' && event !== '$merge') return undefined;
  const [distinctId, alias] = [idOf(kept), idOf(merged)];
  if (distinctId === undefined || alias === undefined) return `${event} has no two ids`;
  return { event: '$create_alias', distinct_id: distinctId, properties: { alias } };
}

function dateOf(epochMs: number): string | undefined {
  const date = new Date(epochMs);
  return Number.isNaN(date.getTime()) ? undefined : date.toISOString();
}
