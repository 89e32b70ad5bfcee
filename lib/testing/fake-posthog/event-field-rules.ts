import { isJsonObject, isRfc3339, isRfc3339Utc, isUuid, quoted, utf8Bytes } from './json-values.js';
import { type EventRule } from './validation.js';

const MAX_NAME_BYTES = 200;
const MAX_DISTINCT_ID_BYTES = 200;
const ROOT_KEYS = {
  v0: ['event', 'distinct_id', 'uuid', 'timestamp', 'properties'],
  v1: ['event', 'distinct_id', 'uuid', 'timestamp', 'properties', 'session_id', 'window_id', 'options'],
};

/** The rules about what stands at the root of an event. */
export const EVENT_FIELD_RULES: readonly EventRule[] = [
  {
    rule: 'event_name_missing',
    v0: 'refused',
    v1: 'refused',
    broken: ({ event }) => (typeof event === 'string' ? null : `event must be a string, it is ${quoted(event)}`),
  },
  {
    rule: 'event_name_blank',
    v0: 'refused',
    v1: 'dropped',
    broken: ({ event }) => (typeof event === 'string' && event.trim() === '' ? 'event is blank' : null),
  },
  {
    rule: 'event_name_too_long',
    v0: 'altered',
    v1: 'dropped',
    broken: ({ event }) =>
      typeof event === 'string' && utf8Bytes(event) > MAX_NAME_BYTES
        ? `event has ${utf8Bytes(event)} bytes, ${MAX_NAME_BYTES} are allowed`
        : null,
  },
  {
    rule: 'distinct_id_missing',
    v0: 'refused',
    v1: 'refused',
    broken: (event) =>
      typeof event.distinct_id === 'string' ? null : `distinct_id must be a string, it is ${quoted(event.distinct_id)}`,
  },
  {
    rule: 'distinct_id_blank',
    v0: 'refused',
    v1: 'dropped',
    broken: (event) =>
      typeof event.distinct_id === 'string' && event.distinct_id.trim() === '' ? 'distinct_id is blank' : null,
  },
  {
    rule: 'distinct_id_untrimmed',
    v0: 'altered',
    v1: 'altered',
    broken: ({ distinct_id: id }) =>
      typeof id === 'string' && id.trim() !== '' && id !== id.trim()
        ? `distinct_id ${quoted(id)} is not trimmed`
        : null,
  },
  {
    rule: 'distinct_id_too_long',
    v0: 'altered',
    v1: 'dropped',
    broken: ({ distinct_id: id }) =>
      typeof id === 'string' && utf8Bytes(id) > MAX_DISTINCT_ID_BYTES
        ? `distinct_id has ${utf8Bytes(id)} bytes, ${MAX_DISTINCT_ID_BYTES} are allowed`
        : null,
  },
  {
    // v0 makes one up, a new one for each attempt, so that a retry becomes a second event.
    rule: 'uuid_missing',
    v0: 'altered',
    v1: 'refused',
    broken: ({ uuid }) => (uuid === undefined ? 'uuid is missing' : null),
  },
  {
    rule: 'uuid_invalid',
    v0: 'refused',
    v1: 'refused',
    broken: ({ uuid }) =>
      uuid === undefined || (typeof uuid === 'string' && isUuid(uuid)) ? null : `uuid ${quoted(uuid)} is not a uuid`,
  },
  {
    rule: 'uuid_upper_case',
    v0: 'altered',
    v1: 'altered',
    broken: ({ uuid }) =>
      typeof uuid === 'string' && isUuid(uuid) && uuid !== uuid.toLowerCase() ? `uuid ${uuid} is not lower-case` : null,
  },
  {
    rule: 'timestamp_missing',
    v0: 'altered',
    v1: 'refused',
    broken: ({ timestamp }) =>
      typeof timestamp === 'string' ? null : `timestamp must be a string, it is ${quoted(timestamp)}`,
  },
  {
    rule: 'timestamp_invalid',
    v0: 'altered',
    v1: 'dropped',
    broken: ({ timestamp }) =>
      typeof timestamp === 'string' && !isRfc3339(timestamp) ? `timestamp ${quoted(timestamp)} is not RFC 3339` : null,
  },
  {
    rule: 'timestamp_not_utc',
    v0: 'altered',
    v1: 'altered',
    broken: ({ timestamp }) =>
      typeof timestamp === 'string' && isRfc3339(timestamp) && !isRfc3339Utc(timestamp)
        ? `timestamp ${quoted(timestamp)} is not UTC, written with Z`
        : null,
  },
  {
    rule: 'properties_invalid',
    v0: 'refused',
    v1: 'dropped',
    broken: ({ properties }) =>
      properties === undefined || isJsonObject(properties) ? null : `properties must be an object`,
  },
  {
    rule: 'event_root_key',
    v0: 'altered',
    v1: 'altered',
    broken: (event, format) => {
      const lost = Object.keys(event).filter((key) => !ROOT_KEYS[format].includes(key));
      return lost.length > 0 ? `${quoted(lost)} at the root of an event means nothing and is lost` : null;
    },
  },
  {
    rule: 'session_id_invalid',
    v0: null,
    v1: 'refused',
    broken: (event) => {
      const wrong = ['session_id', 'window_id'].filter((key) => key in event && typeof event[key] !== 'string');
      return wrong.length > 0 ? `${wrong.join(' and ')} must be a string` : null;
    },
  },
];
