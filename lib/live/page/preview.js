/** The properties of an event in one line of the list. */

/** Properties of every event, left out of the preview. */
const USUAL = new Set(['$lib', '$lib_version', '$is_server', '$geoip_disable']);
const PREVIEW_LENGTH = 300;
const PREVIEWED_VALUE_LENGTH = 100;
const PREVIEWED_PROPERTIES = 12;

/** Prefix of the properties with the flags that an event was decided by. */
const FLAG = '$feature/';

/**
 * An event's own properties, the flags that it was decided by, and the properties of PostHog.
 *
 * @param {LiveEvent} event
 */
function preview({ text, isCut, problems = [] }) {
  const shown = propertiesOf(text, isCut)?.filter(([key]) => !USUAL.has(key));
  if (shown === undefined) return visible(text.slice(0, PREVIEW_LENGTH));
  const error = errorLine(shown);
  const own = shown.filter(([key]) => !key.startsWith('$'));
  const flags = flagsOf(shown);
  const others = shown.filter(
    ([key]) => key.startsWith('$') && !isOfFlags(key) && !(error && key.startsWith('$exception')),
  );
  const ordered = [...own, ...flags, ...others];
  const warnings = problems.map((problem) => `⚠ ${problem}`);
  const parts = ordered.slice(0, PREVIEWED_PROPERTIES).map(([key, value]) => {
    return `${key}: ${value.length > PREVIEWED_VALUE_LENGTH ? `${value.slice(0, PREVIEWED_VALUE_LENGTH)}…` : value}`;
  });
  return visible([...warnings, ...(error ? [error] : []), ...parts].join('  ').slice(0, PREVIEW_LENGTH));
}

/**
 * The flags of an event with their values as JSON.
 *
 * @param {readonly [string, string][]} properties
 * @returns {[string, string][]}
 */
function flagsOf(properties) {
  return properties
    .filter(([key]) => key.startsWith(FLAG))
    .map(([key, value]) => [`⚑ ${key.slice(FLAG.length)}`, value]);
}

/** @param {string} key of a property */
function isOfFlags(key) {
  return key.startsWith(FLAG) || key === '$active_feature_flags';
}

/**
 * Type and message of an error, from the beginning of its list, which may be cut.
 *
 * @param {[string, string][]} properties
 * @returns {string | undefined} undefined if there is none
 */
function errorLine(properties) {
  const [, list = ''] = properties.find(([key]) => key === '$exception_list') ?? [];
  const [, type, value] = /^\[\{"type":("(?:[^"\\]|\\.)*"),"value":("(?:[^"\\]|\\.)*")/.exec(list) ?? [];
  return type === undefined || value === undefined ? undefined : `${JSON.parse(type)}: ${JSON.parse(value)}`;
}

/**
 * @param {string} text JSON
 * @param {boolean} isCut only its beginning
 * @returns {[string, string][] | undefined} values as JSON, of which the last may be cut, too; undefined if the text is not JSON
 */
function propertiesOf(text, isCut) {
  if (text === '') return [];
  try {
    if (isCut) return membersOf(text);
    const { properties } = JSON.parse(text);
    return Object.entries(properties ?? {}).map(([key, value]) => [key, JSON.stringify(value)]);
  } catch {
    return undefined;
  }
}

/** @param {string} text the beginning of an event as JSON */
function membersOf(text) {
  /** @type {[string, string][]} */
  const members = [];
  const start = /"properties"\s*:\s*\{/.exec(text);
  const key = /\s*("(?:[^"\\]|\\.)*")\s*:\s*/y;
  let position = start === null ? text.length : start.index + start[0].length;
  for (;;) {
    key.lastIndex = position;
    const found = key.exec(text);
    if (found === null) return members;
    const end = endOfValue(text, key.lastIndex);
    members.push([JSON.parse(found[1] ?? ''), text.slice(key.lastIndex, end)]);
    if (text[end] !== ',') return members;
    position = end + 1;
  }
}

/** @param {string} text @param {number} start of a value in an object */
function endOfValue(text, start) {
  const token = /"(?:[^"\\]|\\.)*("|$)|[{}[\],]/g;
  token.lastIndex = start;
  let depth = 0;
  for (let found = token.exec(text); found !== null; found = token.exec(text)) {
    const [character] = found;
    if (depth === 0 && (character === ',' || character === '}')) return found.index;
    if (character === '{' || character === '[') depth++;
    else if (character === '}' || character === ']') depth--;
  }
  return text.length;
}
