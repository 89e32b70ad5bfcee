import { type CaptureEvent } from '../../capture/capture-event.js';
import { DEDUPE_KEY, DISTINCT_ID, NO_DEDUPE_TIMESTAMP, UUID } from '../../capture/input/rules.js';
import { dedupeUuid } from '../../capture/limits/dedupe-uuid.js';
import { MAX_LEVELS } from '../../json/safe-json.js';
import { isObject, quoteName } from '../../shared/untrusted-values.js';
import { checkInput, kindOf, warnOfUnknown } from '../event-input.js';
import { type MappedLine, type SourceFormat } from './formats/source-format.js';
import { type Finding, scanJson } from './json-scan.js';
import { type Line } from './lines.js';
import { stableUuid } from './stable-uuid.js';

const REMEDY = 'write it as a string';

/** Reading a line twice gives the same event, including its uuid. */
export type ImportedEvent = CaptureEvent & { readonly uuid: string };

export interface ReadLine {
  readonly event: ImportedEvent;
  /** An id whose person is merged into that of the event. */
  readonly anonymousId?: string | undefined;
}

export interface ReadSettings {
  /** Timestamp for events without one. */
  readonly startedAt: string;
  /** Part of the uuids of events with a `dedupe_key`. Default: '' */
  readonly dedupeProject?: string;
  /** Format of another product. Default: the fields of a job file. */
  readonly format?: SourceFormat | undefined;
  /** Called with each value that will be changed or ignored. */
  readonly warn: (warning: string) => void;
}

/** Returns the event of a line, or a sentence with the reason why the line is rejected. Never throws. */
export function readEvent(line: Line, settings: ReadSettings): ReadLine | string {
  try {
    return eventOf(line, settings);
  } catch {
    return 'it cannot be read, perhaps because it is nested too deeply';
  }
}

function eventOf(line: Line, { startedAt, dedupeProject = '', format, warn }: ReadSettings): ReadLine | string {
  if ('problem' in line) return line.problem;
  const { number, text } = line;
  const given = parse(text);
  if (given === undefined) return 'it is not valid JSON';
  if (!isObject(given)) return `it must be a JSON object, not ${kindOf(given)}`;
  const findings = scanJson(text);
  const changedId = findings.map((finding) => idProblem(finding, format?.isId ?? isId)).find((one) => one !== null);
  if (changedId) return changedId;
  const mapped: MappedLine | string = format === undefined ? { input: given } : format.map(given);
  if (typeof mapped === 'string') return mapped;
  const { input, anonymousId } = mapped;
  const { dto, problems } = checkInput(input);
  if (problems.length > 0) return problems.join('; ');
  warnOfUnknown(input, warn);
  for (const warning of new Set(findings.flatMap(describeChange))) warn(warning);
  const { dedupeKey, ...event } = dto.toCaptureEvent();
  const key = DEDUPE_KEY.read(dedupeKey, warn);
  if (key !== null && event.timestamp === undefined) return NO_DEDUPE_TIMESTAMP.replaceAll('dedupeKey', 'dedupe_key');
  const uuid =
    key === null
      ? (UUID.read(event.uuid) ?? stableUuid(`${number}:${text}`))
      : dedupeUuid(dedupeProject, event.event, DISTINCT_ID.read(event.distinctId, warn) ?? '', key);
  return { event: { ...event, uuid, timestamp: event.timestamp ?? startedAt }, anonymousId };
}

/** Properties that identify a person or a group. */
const IDS = ['distinct_id', 'alias', '$anon_distinct_id', '$group_key', '$group_type', '$groups'];

const GROUP = /group/i;

const isId = ([first = '', second = '']: readonly string[]): boolean =>
  first === 'distinct_id' || first === 'groups' || (first === 'properties' && IDS.includes(second));

/** The reason why an id would identify somebody else; null if the finding is not about an id, or harmless. */
function idProblem({ kind, path }: Finding, isIdPath: SourceFormat['isId']): string | null {
  if (!isIdPath(path)) return null;
  const isGroup = path[0] === 'groups' || path[1] === '$groups';
  const id = isGroup ? 'a group key' : path.slice(0, 2).join('.');
  switch (kind) {
    case 'rounded':
    case 'digits':
    case 'overflow':
      return `${id} is a number that is too large for JSON: ${REMEDY}`;
    case 'number':
      return `${id} is a number that would be written differently: ${REMEDY}`;
    case 'duplicate':
      return `${id} occurs twice`;
    case 'characters':
      return `${id} contains NUL or half of a surrogate pair, which PostHog cannot store`;
    case 'space':
      // Groups keep it.
      return GROUP.test(id) ? null : `${id} begins or ends with white space, which would be removed`;
    case 'depth':
      return null;
  }
}

/** The warning for a value of the event that changes. */
function describeChange({ kind, path }: Finding): string[] {
  const name = quoteName(path.join('.'));
  switch (kind) {
    case 'rounded':
      return [`${name} is a number that is too large for JSON and was rounded: ${REMEDY}`];
    case 'digits':
      return [`${name} is a number with more digits than JSON keeps and was rounded: ${REMEDY}`];
    case 'overflow':
      return [`${name} is a number that is too large for JSON and became null: ${REMEDY}`];
    case 'duplicate':
      return [`${name} occurs twice, and the last value was used`];
    case 'characters':
      return [`${name} contains NUL or half of a surrogate pair, which was replaced`];
    case 'depth':
      return [`${quoteName(path.slice(0, 2).join('.'))} is nested more than ${MAX_LEVELS} levels deep and was cut`];
    case 'number':
    case 'space':
      return [];
  }
}

/** Returns undefined for invalid JSON. The parser's message is not used because it quotes the event. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
