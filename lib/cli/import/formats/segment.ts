import { type JsonObject } from '../../event-input.js';
import { stableUuid } from '../stable-uuid.js';
import { idOf, isGiven, objectOf, renamed, type SourceFormat } from './source-format.js';

/** Segment's groups have no type. PostHog's destination in Segment uses this one, too. */
const GROUP_TYPE = 'segment_group';
const IDS = [
  ...['userId', 'anonymousId', 'previousId', 'groupId', 'messageId'],
  ...['user_id', 'anonymous_id', 'previous_id', 'group_id', 'message_id'],
];

/** https://segment.com/docs/connections/spec/common */
const CONTEXT: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  page: { url: '$current_url', path: '$pathname', referrer: '$referrer' },
  os: { name: '$os', version: '$os_version' },
  device: { type: '$device_type', model: '$device_model', manufacturer: '$device_manufacturer', id: '$device_id' },
  app: { name: '$app_name', version: '$app_version', build: '$app_build', namespace: '$app_namespace' },
  screen: { width: '$screen_width', height: '$screen_height' },
  campaign: {
    source: 'utm_source',
    medium: 'utm_medium',
    name: 'utm_campaign',
    term: 'utm_term',
    content: 'utm_content',
  },
};
const CONTEXT_VALUES = { ip: '$ip', userAgent: '$raw_user_agent', locale: '$locale', timezone: '$timezone' };

export const segment: SourceFormat = {
  isId: ([first = '', second = '']) => IDS.includes(first) || (first === 'context' && second === 'groupId'),
  map(line) {
    const userId = idOf(line.userId, line.user_id);
    const anonymousId = idOf(line.anonymousId, line.anonymous_id);
    const distinctId = userId ?? anonymousId;
    if (distinctId === undefined) return 'userId and anonymousId are missing';
    const timestamp = line.timestamp ?? line.originalTimestamp ?? line.sentAt ?? line.receivedAt;
    const messageId = idOf(line.messageId, line.message_id);
    const call = callOf(line, distinctId);
    if (typeof call === 'string') return call;
    const context = objectOf(line.context);
    const groupId = idOf(line.type === 'group' ? undefined : context.groupId);
    return {
      input: {
        distinct_id: distinctId,
        ...(isGiven(timestamp) && { timestamp }),
        ...(messageId !== undefined && { uuid: stableUuid(JSON.stringify(['segment', messageId])) }),
        ...(groupId !== undefined && { groups: { [GROUP_TYPE]: groupId } }),
        event: call.event,
        properties: { ...contextProperties(context), ...call.properties },
      },
      // An identify or alias merges persons automatically.
      anonymousId: call.merges || anonymousId === userId || userId === undefined ? undefined : anonymousId,
    };
  },
};

interface Call {
  readonly event: string;
  readonly properties: JsonObject;
  readonly merges?: boolean;
}

function callOf(line: JsonObject, distinctId: string): Call | string {
  const properties = objectOf(line.properties);
  const traits = objectOf(line.traits);
  const anonymousId = idOf(line.anonymousId, line.anonymous_id);
  const name = idOf(line.name, properties.name);
  switch (line.type) {
    case 'track':
      return typeof line.event === 'string' ? { event: line.event, properties } : 'event is missing';
    case 'page':
      return {
        event: '$pageview',
        properties: { ...renamed(properties, CONTEXT.page ?? {}), ...properties, ...(name && { name }) },
      };
    case 'screen':
      return { event: '$screen', properties: { ...properties, ...(name && { $screen_name: name }) } };
    case 'identify':
      return anonymousId === undefined || anonymousId === distinctId
        ? { event: '$set', properties: { $set: traits } }
        : { event: '$identify', properties: { $set: traits, $anon_distinct_id: anonymousId }, merges: true };
    case 'group': {
      const groupId = idOf(line.groupId, line.group_id);
      if (groupId === undefined) return 'groupId is missing';
      return {
        event: '$groupidentify',
        properties: {
          $group_type: GROUP_TYPE,
          $group_key: groupId,
          $group_set: traits,
          $groups: { [GROUP_TYPE]: groupId },
        },
      };
    }
    case 'alias': {
      const previousId = idOf(line.previousId, line.previous_id, line.anonymousId);
      if (previousId === undefined) return 'previousId is missing';
      return { event: '$create_alias', properties: { alias: previousId }, merges: true };
    }
    default:
      return 'type is not track, page, screen, identify, group or alias of Segment';
  }
}

function contextProperties(context: JsonObject): JsonObject {
  const properties = renamed(context, CONTEXT_VALUES);
  for (const [part, names] of Object.entries(CONTEXT)) Object.assign(properties, renamed(context[part], names));
  return properties;
}
