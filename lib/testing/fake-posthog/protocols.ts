import { type RequestBody } from './request-body.js';
import { isRfc3339, isRfc3339Utc, isUuid, type JsonObject, quoted } from './json-values.js';
import {
  checkHistoricalMigration,
  checkRootKeys,
  checkUserAgent,
  isJsonType,
  readRoot,
  tokenViolation,
} from './request-rules.js';
import { validateEvents } from './validate-events.js';
import { ViolationCollector, type Validation, type Protocol } from './validation.js';

const MEBIBYTE = 1024 * 1024;

/** `POST /batch/`: the key is in the body, one response covers the whole batch, errors are plain text. */
export const PROTOCOL_V0: Protocol = {
  endpoint: 'analytics',
  format: 'v0',
  maxWireBytes: 20 * MEBIBYTE,
  maxDecodedBytes: 100 * MEBIBYTE,
  encodings: ['gzip'],
  unknownEncodingStatus: 400,
  validate: (headers, body, apiKey) => validateV0(headers, body, apiKey, 'analytics'),
};

/** `POST /i/v0/ai/batch/`: as `POST /batch/`, for AI events only. */
export const PROTOCOL_AI_V0: Protocol = {
  ...PROTOCOL_V0,
  endpoint: 'ai',
  validate: (headers, body, apiKey) => validateV0(headers, body, apiKey, 'ai'),
};

function validateV0(
  headers: Readonly<Record<string, string>>,
  body: RequestBody,
  apiKey: string | null,
  endpoint: Protocol['endpoint'],
): Validation {
  const violations = new ViolationCollector();
  checkUserAgent(headers['user-agent'], violations);
  const contentType = headers['content-type'] ?? '';
  if (!isJsonType(contentType)) {
    violations.add('content_type', `Content-Type must be application/json, but is ${quoted(contentType)}`);
  }
  const root = readRoot(body, violations);
  if (root === null) return violations.toValidation(null, []);

  const token = tokenViolation(root.api_key, apiKey);
  if (token !== null) violations.refuse(401, token.rule, token.detail);
  checkRootKeys(root, ['api_key', 'batch', 'sent_at', 'historical_migration'], violations);
  if (typeof root.sent_at !== 'string' || !isRfc3339Utc(root.sent_at)) {
    violations.add(
      'sent_at_invalid',
      `sent_at must be an RFC 3339 timestamp in UTC with the suffix Z, but is ${quoted(root.sent_at)}`,
    );
  }
  checkHistoricalMigration(root, violations);
  const text = 'text' in body ? body.text : '';
  return violations.toValidation(root, validateEvents(root.batch, { format: 'v0', endpoint }, text, violations));
}

const REQUIRED_HEADERS = [
  'user-agent',
  'content-type',
  'posthog-sdk-info',
  'posthog-attempt',
  'posthog-request-id',
  'posthog-request-timestamp',
];
/** Keys of a v0 body that v1 replaces with headers. */
const FORBIDDEN_ROOT_KEYS = ['api_key', 'token', 'sent_at'];

/** `POST /i/v1/analytics/events`: the key is in a header, the response has one result per event. */
export const PROTOCOL_V1: Protocol = {
  endpoint: 'analytics',
  format: 'v1',
  maxWireBytes: 10 * MEBIBYTE,
  maxDecodedBytes: 50 * MEBIBYTE,
  encodings: ['gzip', 'deflate', 'br', 'zstd'],
  unknownEncodingStatus: 415,
  validate: (headers, body, apiKey) => validateV1(headers, body, apiKey, 'analytics'),
};

/** `POST /i/v1/ai/events`: as `POST /i/v1/analytics/events`, for AI events only. */
export const PROTOCOL_AI_V1: Protocol = {
  ...PROTOCOL_V1,
  endpoint: 'ai',
  validate: (headers, body, apiKey) => validateV1(headers, body, apiKey, 'ai'),
};

function validateV1(
  headers: Readonly<Record<string, string>>,
  body: RequestBody,
  apiKey: string | null,
  endpoint: Protocol['endpoint'],
): Validation {
  const violations = new ViolationCollector();
  checkHeaders(headers, apiKey, violations);
  const root = readRoot(body, violations);
  if (root === null) return violations.toValidation(null, []);

  checkRoot(root, violations);
  const text = 'text' in body ? body.text : '';
  return violations.toValidation(root, validateEvents(root.batch, { format: 'v1', endpoint }, text, violations));
}

function checkHeaders(
  headers: Readonly<Record<string, string>>,
  apiKey: string | null,
  violations: ViolationCollector,
): void {
  const bearer = /^Bearer (.*)$/.exec(headers.authorization ?? '');
  const token = tokenViolation(bearer?.[1], apiKey);
  if (token !== null) violations.refuse(401, token.rule, `Authorization: ${token.detail}`);

  const missing = REQUIRED_HEADERS.filter((name) => (headers[name] ?? '').trim() === '');
  for (const name of missing) violations.refuse(400, 'header_missing', `the header ${name} is missing`);
  if (!missing.includes('user-agent')) checkUserAgent(headers['user-agent'], violations);

  const given = (name: string): string | null => (missing.includes(name) ? null : (headers[name] ?? null));
  const contentType = given('content-type');
  if (contentType !== null && !isJsonType(contentType)) {
    violations.refuse(415, 'content_type', `Content-Type must be application/json, but is ${quoted(contentType)}`);
  }
  const sdk = given('posthog-sdk-info');
  if (sdk !== null && !/^[^\s/][^\s]*\/[^\s/]+$/.test(sdk)) {
    violations.add('sdk_info_invalid', `PostHog-Sdk-Info must be name/version, but is ${quoted(sdk)}: $lib is not set`);
  }
  const attempt = given('posthog-attempt');
  if (attempt !== null && !/^[1-9]\d*$/.test(attempt)) {
    violations.refuse(400, 'attempt_invalid', `PostHog-Attempt must be an integer from 1, but is ${quoted(attempt)}`);
  }
  const requestId = given('posthog-request-id');
  if (requestId !== null && !isUuid(requestId)) {
    violations.refuse(400, 'request_id_invalid', `PostHog-Request-Id must be a UUID, but is ${quoted(requestId)}`);
  }
  const timestamp = given('posthog-request-timestamp');
  if (timestamp !== null) checkTime('request_timestamp_invalid', 'PostHog-Request-Timestamp', timestamp, violations);
}

function checkRoot(root: JsonObject, violations: ViolationCollector): void {
  for (const key of FORBIDDEN_ROOT_KEYS.filter((name) => name in root)) {
    violations.add('v0_key_in_v1', `${key} does not belong in a v1 body`);
  }
  checkRootKeys(root, ['created_at', 'historical_migration', 'batch', ...FORBIDDEN_ROOT_KEYS], violations);
  checkTime('created_at_invalid', 'created_at', root.created_at, violations);
  checkHistoricalMigration(root, violations);
}

function checkTime(rule: string, name: string, value: unknown, violations: ViolationCollector): void {
  const detail = `${name} must be an RFC 3339 timestamp in UTC with the suffix Z, but is ${quoted(value)}`;
  if (typeof value !== 'string' || !isRfc3339(value)) violations.refuse(400, rule, detail);
  else if (!isRfc3339Utc(value)) violations.add(rule, detail);
}
