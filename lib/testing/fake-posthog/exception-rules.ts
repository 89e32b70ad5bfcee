import { isJsonObject, type JsonObject, quoted } from './json-values.js';
import { type EventRule } from './validation.js';

const MAX_EXCEPTIONS = 50;
const LEVELS: readonly unknown[] = ['fatal', 'error', 'warning', 'log', 'info', 'debug'];
const SOURCE = /^[a-z][a-z\d]*(?:\.[a-z\d_]+)+$/;
/** PostHog derives these from the list. */
const DERIVED = [
  '$exception_handled',
  '$exception_types',
  '$exception_values',
  '$exception_sources',
  '$exception_functions',
  '$exception_fingerprint_version',
  '$exception_fingerprint_record',
  '$exception_issue_id',
  '$exception_release',
  '$cymbal_errors',
];

/** Returns a problem of the list, or null. */
type Check = (list: readonly JsonObject[], properties: JsonObject) => string | null;

/** Rules for `$exception`: PostHog's specification `exception-event-metadata`. */
export const EXCEPTION_RULES: readonly EventRule[] = [
  rule('exception_list_invalid', (list) =>
    list.length > 0 && list.every(({ type, value }) => isFilled(type) && typeof value === 'string')
      ? null
      : '$exception_list must be a non-empty array of objects with a type and a value',
  ),
  rule('exception_list_too_long', (list) =>
    list.length > MAX_EXCEPTIONS
      ? `$exception_list has ${list.length} entries; at most ${MAX_EXCEPTIONS} are kept`
      : null,
  ),
  rule('exception_mechanism_invalid', (list) => first(list, mechanismProblem)),
  rule('exception_link_invalid', linkProblem),
  rule('exception_frame_invalid', (list) => first(list, stackProblem)),
  rule('exception_property_invalid', (_, properties) => propertyProblem(properties)),
];

function rule(name: string, check: Check): EventRule {
  return {
    rule: name,
    v0: 'altered',
    v1: 'altered',
    check: ({ event, properties }) => {
      if (event !== '$exception' || !isJsonObject(properties)) return null;
      const { $exception_list: list } = properties;
      return check(Array.isArray(list) && list.every(isJsonObject) ? list : [], properties);
    },
  };
}

function mechanismProblem({ mechanism }: JsonObject): string | null {
  if (mechanism === undefined) return null;
  if (!isJsonObject(mechanism)) return `mechanism must be an object, but is ${quoted(mechanism)}`;
  return fieldProblem('mechanism', mechanism, {
    type: isFilled,
    source: isFilled,
    handled: isBoolean,
    synthetic: isBoolean,
    exception_id: isCount,
    parent_id: isCount,
  });
}

/** Only where an entry has an id: older clients send none. */
function linkProblem(list: readonly JsonObject[]): string | null {
  const mechanisms = list.map(({ mechanism }) => (isJsonObject(mechanism) ? mechanism : {}));
  if (mechanisms.every(({ exception_id: id }) => id === undefined)) return null;
  const ids = new Set<unknown>();
  for (const [index, { exception_id: id, parent_id: parent, source, type }] of mechanisms.entries()) {
    if (id === undefined || ids.has(id)) return `entry ${index} must have an exception_id of its own`;
    if (index === 0 && id !== 0) return `the first exception_id must be 0, but is ${quoted(id)}`;
    if (index === 0 && (parent !== undefined || source !== undefined))
      return 'the first entry must have neither parent_id nor source';
    if (index > 0 && !ids.has(parent)) return `entry ${index} must have the parent_id of an earlier entry`;
    if (index > 0 && (type !== 'chained' || source === undefined))
      return `entry ${index} must have type "chained" and a source`;
    ids.add(id);
  }
  return null;
}

function stackProblem({ stacktrace }: JsonObject): string | null {
  if (stacktrace === undefined) return null;
  if (!isJsonObject(stacktrace) || !['raw', 'resolved'].includes(String(stacktrace.type)))
    return 'stacktrace must be an object with type "raw" or "resolved"';
  const { frames } = stacktrace;
  if (!Array.isArray(frames)) return `frames must be an array, but is ${quoted(frames)}`;
  return first(frames as unknown[], (frame) =>
    isJsonObject(frame) ? frameProblem(frame) : 'a frame must be an object',
  );
}

function frameProblem(frame: JsonObject): string | null {
  if (!isFilled(frame.platform)) return `platform must be a string that is not blank, but is ${quoted(frame.platform)}`;
  const problem = fieldProblem('frame', frame, {
    function: isFilled,
    filename: isFilled,
    module: isFilled,
    chunk_id: isFilled,
    lineno: isCount,
    colno: isCount,
    in_app: isBoolean,
    context_line: isString,
    pre_context: isTextLines,
    post_context: isTextLines,
  });
  const isAlone = frame.context_line === undefined && (frame.pre_context ?? frame.post_context) !== undefined;
  return problem ?? (isAlone ? 'pre_context and post_context require context_line' : null);
}

function propertyProblem(properties: JsonObject): string | null {
  const derived = DERIVED.find((name) => name in properties);
  if (derived !== undefined) return `${derived} is derived by PostHog and must not be sent`;
  return fieldProblem('', properties, {
    $exception_level: (value) => LEVELS.includes(value),
    $exception_source: (value) => typeof value === 'string' && SOURCE.test(value),
    $exception_fingerprint: isFilled,
    $release_id: isFilled,
    $exception_steps: (value) => Array.isArray(value) && value.every(isStep),
  });
}

type Predicate = (value: unknown) => boolean;

const isString: Predicate = (value) => typeof value === 'string';
const isFilled: Predicate = (value) => typeof value === 'string' && value.trim() !== '';
const isBoolean: Predicate = (value) => typeof value === 'boolean';
const isCount: Predicate = (value) => typeof value === 'number' && Number.isInteger(value) && value >= 0;
/** Otherwise PostHog shows the steps as malformed. */
const isStep: Predicate = (value) =>
  isJsonObject(value) &&
  isFilled(value.$message) &&
  (isString(value.$timestamp) || typeof value.$timestamp === 'number') &&
  Number.isFinite(new Date(value.$timestamp as string | number).getTime());
const isTextLines: Predicate = (value) => Array.isArray(value) && value.every(isString);

/** A field may be missing, but not null. */
function fieldProblem(of: string, fields: JsonObject, rules: Readonly<Record<string, Predicate>>): string | null {
  for (const [name, isValid] of Object.entries(rules)) {
    const value = fields[name];
    if (value !== undefined && !isValid(value)) return `${of} ${name} must not be ${quoted(value)}`.trim();
  }
  return null;
}

function first<T>(values: readonly T[], problemOf: (value: T) => string | null): string | null {
  for (const value of values) {
    const problem = problemOf(value);
    if (problem !== null) return problem;
  }
  return null;
}
