import { isJsonObject, type JsonObject, quoted } from '../json-values.js';
import { checkRootKeys, checkUserAgent, isJsonType, tokenViolation } from '../request-rules.js';
import { type ViolationCollector } from '../validation.js';

const ROOT_KEYS = [
  'token',
  'distinct_id',
  'groups',
  'person_properties',
  'group_properties',
  'geoip_disable',
  'flag_keys_to_evaluate',
  'evaluation_contexts',
  'evaluation_runtime',
  '$device_id',
];
const MAX_DISTINCT_ID_CHARACTERS = 200;

/** Rules for the query string and the headers of `POST /flags/`. */
export function checkFlagsHeaders(
  query: string,
  headers: Readonly<Record<string, string>>,
  violations: ViolationCollector,
): void {
  const version = new URLSearchParams(query).get('v');
  if (version !== '2') {
    violations.refuse(400, 'flags_version', `the query must contain v=2, but v is ${quoted(version ?? undefined)}`);
  }
  checkUserAgent(headers['user-agent'], violations);
  const contentType = headers['content-type'] ?? '';
  if (!isJsonType(contentType)) {
    violations.refuse(400, 'content_type', `Content-Type must be application/json, but is ${quoted(contentType)}`);
  }
  if (headers.authorization !== undefined) {
    violations.add(
      'authorization',
      'the header Authorization discloses a key: /flags/ takes the project key in the body',
    );
  }
}

/** Rules for the body of `POST /flags/`. */
export function checkFlagsBody(root: JsonObject, apiKey: string | null, violations: ViolationCollector): void {
  const token = tokenViolation(root.token, apiKey);
  if (token !== null) violations.refuse(401, token.rule, token.detail);
  checkRootKeys(root, ROOT_KEYS, violations);
  checkDistinctId(root, violations);
  for (const key of ['groups', 'person_properties', 'group_properties']) checkObject(root, key, violations);
  checkGroups(root, violations);
  if (typeof root.geoip_disable !== 'boolean') {
    violations.add('geoip_disable', `geoip_disable must be a boolean, but is ${quoted(root.geoip_disable)}`);
  }
  checkStrings(root, 'flag_keys_to_evaluate', violations);
  checkStrings(root, 'evaluation_contexts', violations);
  if (root.evaluation_runtime !== 'server') {
    const detail = `evaluation_runtime must be "server", but is ${quoted(root.evaluation_runtime)}: without it, server flags are omitted`;
    violations.add('evaluation_runtime', detail);
  }
  checkDeviceId(root, violations);
}

function checkDistinctId(root: JsonObject, violations: ViolationCollector): void {
  const { distinct_id: id, person_properties: person } = root;
  if (typeof id !== 'string' || id.trim() === '') {
    violations.refuse(
      400,
      'distinct_id_missing',
      `distinct_id must be a string that is not blank, but is ${quoted(id)}`,
    );
  } else if (id.length > MAX_DISTINCT_ID_CHARACTERS) {
    const detail = `distinct_id has ${id.length} characters, of which PostHog keeps ${MAX_DISTINCT_ID_CHARACTERS}`;
    violations.add('distinct_id_too_long', detail);
  }
  if (isJsonObject(person) && 'distinct_id' in person) {
    violations.add('distinct_id_in_properties', 'distinct_id is repeated in person_properties');
  }
}

function checkObject(root: JsonObject, key: string, violations: ViolationCollector): void {
  const value = root[key];
  if (value === undefined) violations.add(`${key}_missing`, `${key} is missing; without any it must be {}`);
  else if (!isJsonObject(value)) {
    violations.refuse(400, `${key}_invalid`, `${key} must be an object, but is ${quoted(value)}`);
  }
}

/** Each group has properties, and these contain its key. */
function checkGroups(root: JsonObject, violations: ViolationCollector): void {
  const groups = isJsonObject(root.groups) ? root.groups : {};
  const properties = isJsonObject(root.group_properties) ? root.group_properties : {};
  for (const [type, key] of Object.entries(groups)) {
    const given = properties[type];
    if (typeof key !== 'string' || key === '') {
      violations.add('group_invalid', `groups.${type} must be a string that is not empty, but is ${quoted(key)}`);
    } else if (!isJsonObject(given) || given.$group_key !== key) {
      const actual = isJsonObject(given) ? given.$group_key : given;
      violations.add(
        'group_key',
        `group_properties.${type}.$group_key must be ${quoted(key)} as in groups, but is ${quoted(actual)}`,
      );
    }
  }
  const unknown = Object.keys(properties).filter((type) => !(type in groups));
  if (unknown.length > 0) {
    violations.add('group_properties_without_group', `${quoted(unknown)} in group_properties is not in groups`);
  }
}

function checkStrings(root: JsonObject, key: string, violations: ViolationCollector): void {
  const value = root[key];
  if (value === undefined) return;
  const isList = Array.isArray(value) && value.every((one) => typeof one === 'string' && one !== '');
  if (!isList) {
    violations.refuse(400, `${key}_invalid`, `${key} must be an array of strings, but is ${quoted(value)}`);
  } else if (value.length === 0 || new Set(value).size < value.length) {
    violations.add(`${key}_invalid`, `${key} must not be empty nor repeat a string, but is ${quoted(value)}`);
  }
}

function checkDeviceId(root: JsonObject, violations: ViolationCollector): void {
  const inPerson = isJsonObject(root.person_properties) ? root.person_properties.$device_id : undefined;
  if (inPerson !== undefined && root.$device_id !== inPerson) {
    const detail = `$device_id must be ${quoted(inPerson)} as in person_properties, but is ${quoted(root.$device_id)}`;
    violations.add('device_id', detail);
  }
}
