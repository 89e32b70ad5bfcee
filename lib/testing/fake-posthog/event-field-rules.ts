import { isJsonObject, isRfc3339, isRfc3339Utc, isUuid, quoted, utf8Bytes } from './json-values.js';
import { type EventRule } from './validation.js';

const MAX_NAME_BYTES = 200;
const MAX_DISTINCT_ID_BYTES = 200;
const ROOT_KEYS = {
  v0: ['event', 'distinct_id', 'uuid', 'timestamp', 'properties'],
  v1: ['event', 'distinct_id', 'uuid', 'timestamp', 'properties', 'session_id', 'window_id', 'options'],
};

/** Rules for the fields of an event, except `properties` and `options`. */
export const EVENT_FIELD_RULES: readonly EventRule[] = [
  {
    rule: 'event_name_missing',
    v0: 'refused',
    v1: 'refused',
    check: ({ event }) => (typeof event === 'string' ? null : `event must be a string, but is ${quoted(event)}`),
  },
  {
    rule: 'event_name_blank',
    v0: 'refused',
    v1: 'dropped',
    check: ({ event }) => (typeof event === 'string' && event.trim() === '' ? 'event is blank' : null),
  },
  {
    rule: 'event_name_too_long',
    v0: 'altered',
    v1: 'dropped',
    check: ({ event }) =>
      typeof event === 'string' && utf8Bytes(event) > MAX_NAME_BYTES
        ? `event has ${utf8Bytes(event)} bytes; at most ${MAX_NAME_BYTES} are allowed`
        : null,
  },
  {
    rule: 'distinct_id_missing',
    v0: 'refused',
    v1: 'refused',
    check: (event) =>
      typeof event.distinct_id === 'string'
        ? null
        : `distinct_id must be a string, but is ${quoted(event.distinct_id)}`,
  },
  {
    rule: 'distinct_id_blank',
    v0: 'refused',
    v1: 'dropped',
    check: (event) =>
      typeof event.distinct_id === 'string' && event.distinct_id.trim() === '' ? 'distinct_id is blank' : null,
  },
  {
    rule: 'distinct_id_untrimmed',
    v0: 'altered',
    v1: 'altered',
    check: ({ distinct_id: id }) =>
      typeof id === 'string' && id.trim() !== '' && id !== id.trim()
        ? `distinct_id ${quoted(id)} has leading or trailing whitespace`
        : null,
  },
  {
    rule: 'distinct_id_too_long',
    v0: 'altered',
    v1: 'dropped',
    check: ({ distinct_id: id }) =>
      typeof id === 'string' && utf8Bytes(id) > MAX_DISTINCT_ID_BYTES
        ? `distinct_id has ${utf8Bytes(id)} bytes; at most ${MAX_DISTINCT_ID_BYTES} are allowed`
        : null,
  },
  {
    // v0 generates a new one for each attempt, so a retry is stored as a second event.
    rule: 'uuid_missing',
    v0: 'altered',
    v1: 'refused',
    check: ({ uuid }) => (uuid === undefined ? 'uuid is missing' : null),
  },
  {
    rule: 'uuid_invalid',
    v0: 'refused',
    v1: 'refused',
    check: ({ uuid }) =>
      uuid === undefined || (typeof uuid === 'string' && isUuid(uuid)) ? null : `uuid ${quoted(uuid)} is not a UUID`,
  },
  {
    rule: 'uuid_upper_case',
    v0: 'altered',
    v1: 'altered',
    check: ({ uuid }) =>
      typeof uuid === 'string' && isUuid(uuid) && uuid !== uuid.toLowerCase()
        ? `uuid ${uuid} is not in lower case`
        : null,
  },
  {
    rule: 'timestamp_missing',
    v0: 'altered',
    v1: 'refused',
    check: ({ timestamp }) =>
      typeof timestamp === 'string' ? null : `timestamp must be a string, but is ${quoted(timestamp)}`,
  },
  {
    rule: 'timestamp_invalid',
    v0: 'altered',
    v1: 'dropped',
    check: ({ timestamp }) =>
      typeof timestamp === 'string' && !isRfc3339(timestamp)
        ? `timestamp ${quoted(timestamp)} is not an RFC 3339 timestamp`
        : null,
  },
  {
    rule: 'timestamp_not_utc',
    v0: 'altered',
    v1: 'altered',
    check: ({ timestamp }) =>
      typeof timestamp === 'string' && isRfc3339(timestamp) && !isRfc3339Utc(timestamp)
        ? `timestamp ${quoted(timestamp)} is not in UTC with the suffix Z`
        : null,
  },
  {
    rule: 'properties_invalid',
    v0: 'refused',
    v1: 'dropped',
    check: ({ properties }) =>
      properties === undefined || isJsonObject(properties) ? null : 'properties must be an object',
  },
  {
    rule: 'event_root_key',
    v0: 'altered',
    v1: 'altered',
    check: (event, format) => {
      const lost = Object.keys(event).filter((key) => !ROOT_KEYS[format].includes(key));
      return lost.length > 0 ? `${quoted(lost)} at the root of an event is unknown and is discarded` : null;
    },
  },
  {
    rule: 'session_id_invalid',
    v0: null,
    v1: 'refused',
    check: (event) => {
      const wrong = ['session_id', 'window_id'].filter((key) => key in event && typeof event[key] !== 'string');
      return wrong.length > 0 ? `${wrong.join(' and ')} must be a string` : null;
    },
  },
];
