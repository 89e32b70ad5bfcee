import { validateEvents } from './validate-events.js';
import { isRfc3339Utc, quoted } from './json-values.js';
import { ViolationCollector, type Validation, type Protocol, type RequestBody } from './validation.js';
import {
  checkHistoricalMigration,
  checkRootKeys,
  checkUserAgent,
  isJsonType,
  readRoot,
  tokenViolation,
} from './request-rules.js';

const MEBIBYTE = 1024 * 1024;

/** PostHog's capture API, `POST /batch/`: the key in the body, one answer for the whole batch, errors as plain text. */
export const PROTOCOL_V0: Protocol = {
  format: 'v0',
  maxWireBytes: 20 * MEBIBYTE,
  maxDecodedBytes: 100 * MEBIBYTE,
  encodings: ['gzip'],
  unknownEncodingStatus: 400,
  validate,
};

function validate(headers: Readonly<Record<string, string>>, body: RequestBody, apiKey: string | null): Validation {
  const violations = new ViolationCollector();
  checkUserAgent(headers['user-agent'], violations);
  const contentType = headers['content-type'] ?? '';
  if (!isJsonType(contentType)) {
    violations.add('content_type', `Content-Type must be application/json, it is ${quoted(contentType)}`);
  }
  const root = readRoot(body, violations);
  if (root === null) return violations.toValidation(null, []);

  const token = tokenViolation(root.api_key, apiKey);
  if (token !== null) violations.refuse(401, token.rule, token.detail);
  checkRootKeys(root, ['api_key', 'batch', 'sent_at', 'historical_migration'], violations);
  if (typeof root.sent_at !== 'string' || !isRfc3339Utc(root.sent_at)) {
    violations.add('sent_at_invalid', `sent_at must be RFC 3339 in UTC, written with Z, it is ${quoted(root.sent_at)}`);
  }
  checkHistoricalMigration(root, violations);
  return violations.toValidation(root, validateEvents(root.batch, 'v0', 'text' in body ? body.text : '', violations));
}
