import { jsonFlaws } from './strict-json.js';
import { isJsonObject, type JsonObject, quoted } from './json-values.js';
import { type Findings, type RequestBody } from './validation.js';

/** What is wrong with a project token, or null. Never quotes it. */
export function tokenFlaw(token: unknown, apiKey: string | null): { rule: string; detail: string } | null {
  if (typeof token !== 'string' || token === '') return { rule: 'api_key_missing', detail: 'there is no API key' };
  if (token.startsWith('phx_')) {
    return { rule: 'api_key_personal', detail: 'the API key is a personal one (phx_…), not that of a project' };
  }
  if (!/^[\x21-\x7e]{1,64}$/.test(token)) {
    return { rule: 'api_key_malformed', detail: 'the API key must be 1 to 64 visible ASCII characters' };
  }
  if (apiKey !== null && token !== apiKey) {
    return { rule: 'api_key_unknown', detail: 'the API key is not the one this server was started with' };
  }
  return null;
}

/** PostHog files events from the clients of well-known HTTP libraries under bots. */
export function checkUserAgent(userAgent: string | undefined, findings: Findings): void {
  if (userAgent === undefined || userAgent.trim() === '') {
    findings.note('user_agent_missing', 'there is no User-Agent');
  } else if (/^axios\b/i.test(userAgent)) {
    findings.note('user_agent_bot', `User-Agent ${quoted(userAgent)} is filtered as a bot's`);
  }
}

/** Whether a `Content-Type` is JSON, whatever its parameters. */
export function isJsonType(contentType: string): boolean {
  return contentType.split(';', 1)[0]?.trim().toLowerCase() === 'application/json';
}

/** Parses the body of a request into an object; null, with the reason in `findings`, when it is none. */
export function readRoot(body: RequestBody, findings: Findings): JsonObject | null {
  if ('unreadable' in body) {
    findings.refuse(body.unreadable.status, body.unreadable.rule, body.unreadable.detail);
    return null;
  }
  const json = parse(body.text);
  if (!isJsonObject(json)) {
    // Not quoted: it may well begin with the key.
    const what = json === undefined ? `${body.text.length} characters that are no JSON` : 'other JSON';
    findings.refuse(400, 'json_invalid', `the body must be a JSON object, it is ${what}`);
    return null;
  }
  for (const flaw of jsonFlaws(body.text)) {
    if (flaw.refused) findings.refuse(400, flaw.rule, flaw.detail);
    else findings.note(flaw.rule, flaw.detail);
  }
  return json;
}

/** `historical_migration` is true or absent. */
export function checkHistoricalMigration(root: JsonObject, findings: Findings): void {
  const { historical_migration: value } = root;
  if (value === undefined || value === true) return;
  const detail = `historical_migration must be true or absent, it is ${quoted(value)}`;
  if (typeof value === 'boolean') findings.note('historical_migration_invalid', detail);
  else findings.refuse(400, 'historical_migration_invalid', detail);
}

/** Names the keys at the root of the body that mean nothing. */
export function checkRootKeys(root: JsonObject, known: readonly string[], findings: Findings): void {
  const lost = Object.keys(root).filter((key) => !known.includes(key));
  if (lost.length > 0) findings.note('root_key', `${quoted(lost)} at the root of the body means nothing and is lost`);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
