import { EVENT_FIELD_RULES } from './event-field-rules.js';
import { EVENT_PROPERTY_RULES } from './event-property-rules.js';
import { EXCEPTION_RULES } from './exception-rules.js';
import { isJsonObject, type JsonObject, quoted, utf8Bytes } from './json-values.js';
import { type CaptureFormat } from './recorded.js';
import { type EventResult, type Protocol, type ValidatedEvent, type ViolationCollector } from './validation.js';

const RULES = [...EVENT_FIELD_RULES, ...EVENT_PROPERTY_RULES, ...EXCEPTION_RULES];
/** PostHog documents "about 1 MB". */
const MAX_EVENT_BYTES = 1_000_000;
const MAX_AI_EVENT_BYTES = 8 * 1024 * 1024;
/** Of a batch of several AI events. A single one may be larger. */
const MAX_AI_BATCH_BYTES = 5 * 1024 * 1024;

type Target = Pick<Protocol, 'format' | 'endpoint'>;

/**
 * Applies every event rule to a batch.
 *
 * @param batch the unvalidated `batch` of the body
 * @param text the body, which bounds the size of an event
 * @returns one entry per event, valid if `violations` has no refusal
 */
export function validateEvents(
  batch: unknown,
  { format, endpoint }: Target,
  text: string,
  violations: ViolationCollector,
): ValidatedEvent[] {
  if (!Array.isArray(batch)) {
    violations.refuse(400, 'batch_missing', `batch must be an array, but is ${quoted(batch)}`);
    return [];
  }
  if (batch.length === 0) violations.refuse(400, 'batch_empty', 'batch is empty');
  // A character of a JavaScript string is at most three bytes of UTF-8.
  const mayBeTooLarge = text.length > MAX_EVENT_BYTES / 3;
  const uuids = new Set<string>();
  const validated: ValidatedEvent[] = [];
  batch.forEach((event: unknown, index) => {
    if (!isJsonObject(event)) {
      violations.refuse(400, 'event_invalid', `batch[${index}] must be an object, but is ${quoted(event)}`);
      return;
    }
    validated.push(validateEvent(event, index, format, violations));
    checkRepeatedUuid(event, index, format, uuids, violations);
    if (endpoint === 'ai') checkAiName(event, index, violations);
    if (mayBeTooLarge) checkSize(event, index, violations);
  });
  if (endpoint === 'ai' && batch.length > 1 && text.length > MAX_AI_BATCH_BYTES / 3) checkAiBatch(batch, violations);
  return validated;
}

function validateEvent(
  event: JsonObject,
  index: number,
  format: CaptureFormat,
  violations: ViolationCollector,
): ValidatedEvent {
  let kept = true;
  let result: EventResult = { result: 'ok' };
  for (const { rule, [format]: consequence, check } of RULES) {
    const problem = consequence === null ? null : check(event, format);
    if (problem === null) continue;
    const detail = `${place(event, index)}: ${problem}`;
    if (consequence === 'refused') violations.refuse(400, rule, detail);
    else violations.add(rule, detail);
    if (consequence === 'dropped' || consequence === 'lost') kept = false;
    if (consequence === 'dropped') result = { result: 'drop', details: rule };
  }
  return { wire: event, index, kept, result };
}

function checkRepeatedUuid(
  event: JsonObject,
  index: number,
  format: CaptureFormat,
  seen: Set<string>,
  violations: ViolationCollector,
): void {
  if (typeof event.uuid !== 'string') return;
  const uuid = event.uuid.toLowerCase();
  if (seen.has(uuid)) {
    const detail = `${place(event, index)}: uuid ${quoted(uuid)} occurs twice in this batch`;
    if (format === 'v1') violations.refuse(400, 'uuid_repeated', detail);
    else violations.add('uuid_repeated', detail);
  }
  seen.add(uuid);
}

function checkAiName(event: JsonObject, index: number, violations: ViolationCollector): void {
  if (isAiEvent(event)) return;
  const detail = `${place(event, index)}: this endpoint takes only events whose names start with $ai_`;
  violations.refuse(400, 'event_not_ai', detail);
}

function checkAiBatch(batch: readonly unknown[], violations: ViolationCollector): void {
  const bytes = batch.reduce<number>((sum, event) => sum + utf8Bytes(JSON.stringify(event)), 0);
  if (bytes <= MAX_AI_BATCH_BYTES) return;
  const detail = `the events have ${bytes} bytes; at most ${MAX_AI_BATCH_BYTES} are allowed in a batch of several`;
  violations.refuse(413, 'batch_too_large', detail);
}

function isAiEvent({ event }: JsonObject): boolean {
  return typeof event === 'string' && event.startsWith('$ai_');
}

function checkSize(event: JsonObject, index: number, violations: ViolationCollector): void {
  const limit = isAiEvent(event) ? MAX_AI_EVENT_BYTES : MAX_EVENT_BYTES;
  const bytes = utf8Bytes(JSON.stringify(event));
  if (bytes > limit) {
    violations.refuse(413, 'event_too_large', `${place(event, index)}: ${bytes} bytes; at most ${limit} are allowed`);
  }
}

function place(event: JsonObject, index: number): string {
  return `batch[${index}] ${quoted(event.event)}`;
}
