import { type RequestBody } from './request-body.js';
import { jsonViolations } from './strict-json.js';
import { isJsonObject, type JsonObject, quoted } from './json-values.js';
import { type ViolationCollector } from './validation.js';

/** Returns null for a valid project token. The detail never quotes the token. */
export function tokenViolation(token: unknown, apiKey: string | null): { rule: string; detail: string } | null {
  if (typeof token !== 'string' || token === '') return { rule: 'api_key_missing', detail: 'the API key is missing' };
  if (token.startsWith('phx_')) {
    return { rule: 'api_key_personal', detail: 'the API key is a personal one (phx_…) instead of a project key' };
  }
  if (!/^[\x21-\x7e]{1,64}$/.test(token)) {
    return { rule: 'api_key_malformed', detail: 'the API key must be 1 to 64 visible ASCII characters' };
  }
  if (apiKey !== null && token !== apiKey) {
    return { rule: 'api_key_unknown', detail: 'the API key differs from the one that this server was started with' };
  }
  return null;
}

/** PostHog filters events of well-known HTTP clients as bot traffic. */
export function checkUserAgent(userAgent: string | undefined, violations: ViolationCollector): void {
  if (userAgent === undefined || userAgent.trim() === '') {
    violations.add('user_agent_missing', 'the header User-Agent is missing');
  } else if (/^axios\b/i.test(userAgent)) {
    violations.add('user_agent_bot', `User-Agent ${quoted(userAgent)} is filtered as bot traffic`);
  }
}

/** Ignores parameters such as `charset`. */
export function isJsonType(contentType: string): boolean {
  return contentType.split(';', 1)[0]?.trim().toLowerCase() === 'application/json';
}

/** Parses the body of a request. Returns null if it is not a JSON object, and adds the reason to `violations`. */
export function readRoot(body: RequestBody, violations: ViolationCollector): JsonObject | null {
  if ('unreadable' in body) {
    violations.refuse(body.unreadable.status, body.unreadable.rule, body.unreadable.detail);
    return null;
  }
  const json = parse(body.text);
  if (!isJsonObject(json)) {
    // Not quoted: it may contain the key.
    const actual = json === undefined ? `${body.text.length} characters of invalid JSON` : 'another JSON value';
    violations.refuse(400, 'json_invalid', `the body must be a JSON object, but is ${actual}`);
    return null;
  }
  for (const violation of jsonViolations(body.text)) {
    if (violation.refused) violations.refuse(400, violation.rule, violation.detail);
    else violations.add(violation.rule, violation.detail);
  }
  return json;
}

export function checkHistoricalMigration(root: JsonObject, violations: ViolationCollector): void {
  const { historical_migration: value } = root;
  if (value === undefined || value === true) return;
  const detail = `historical_migration must be true or absent, but is ${quoted(value)}`;
  if (typeof value === 'boolean') violations.add('historical_migration_invalid', detail);
  else violations.refuse(400, 'historical_migration_invalid', detail);
}

export function checkRootKeys(root: JsonObject, known: readonly string[], violations: ViolationCollector): void {
  const lost = Object.keys(root).filter((key) => !known.includes(key));
  if (lost.length > 0)
    violations.add('root_key', `${quoted(lost)} at the root of the body is unknown and is discarded`);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
