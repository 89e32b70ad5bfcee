import { MAX_STEPS_BYTES } from '../../context/exception-steps.js';
import { type JsonText, toJson } from '../../json/safe-json.js';
import { type Warn } from '../../shared/unknown-fields.js';
import {
  contentOf,
  describe,
  isMissing,
  isNonBlank,
  plainCopy,
  PROPERTIES_RULE,
} from '../../shared/untrusted-values.js';

/** Fields of a step that its properties must not set. */
const RESERVED = ['$message', '$timestamp'];

/**
 * The arguments of `step()` as the JSON of an ExceptionStep; null if there is no step to keep. Values are converted as in the properties
 * of an event. Never throws.
 *
 * @param now epoch milliseconds
 */
export function checkStep(
  message: unknown,
  properties: unknown,
  now: number,
  warn: Warn,
): Exclude<JsonText, 'too_large'> | null {
  if (!isNonBlank(message)) {
    warn(`the message must be a non-blank string, but it is ${describe(message)}; the step was ignored`);
    return null;
  }
  const fields = { $message: message, $timestamp: new Date(now).toISOString() };
  const json = toJson({ ...fields, ...propertiesOf(properties, warn) }, MAX_STEPS_BYTES);
  if (json !== 'too_large') return json;
  warn(`a step must be at most ${MAX_STEPS_BYTES} bytes; a larger one was ignored`);
  return null;
}

function propertiesOf(given: unknown, warn: Warn): Record<string, unknown> {
  if (isMissing(given)) return {};
  const content = contentOf(given);
  if (content === null) {
    warn(`properties must be ${PROPERTIES_RULE}, but it is ${describe(given)}; they were ignored`);
    return {};
  }
  const properties = plainCopy(content);
  for (const name of RESERVED) {
    if (!Object.hasOwn(properties, name)) continue;
    Reflect.deleteProperty(properties, name);
    warn(`property "${name}" was left out, because it comes from the step itself`);
  }
  return properties;
}
