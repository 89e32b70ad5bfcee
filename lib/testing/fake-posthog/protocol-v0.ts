import { judgeEvents } from './validate-events.js';
import { isRfc3339Utc, quoted } from './json-values.js';
import { Findings, type Judgement, type Protocol, type RequestBody } from './validation.js';
import {
  checkHistoricalMigration,
  checkRootKeys,
  checkUserAgent,
  isJsonType,
  readRoot,
  tokenFlaw,
} from './request-rules.js';

const MEBIBYTE = 1024 * 1024;

/** PostHog's capture API, `POST /batch/`: the key in the body, one answer for the whole batch, errors as plain text. */
export const PROTOCOL_V0: Protocol = {
  format: 'v0',
  maxWireBytes: 20 * MEBIBYTE,
  maxDecodedBytes: 100 * MEBIBYTE,
  encodings: ['gzip'],
  unknownEncodingStatus: 400,
  judge,
};

function judge(headers: Readonly<Record<string, string>>, body: RequestBody, apiKey: string | null): Judgement {
  const findings = new Findings();
  checkUserAgent(headers['user-agent'], findings);
  const contentType = headers['content-type'] ?? '';
  if (!isJsonType(contentType)) {
    findings.note('content_type', `Content-Type must be application/json, it is ${quoted(contentType)}`);
  }
  const root = readRoot(body, findings);
  if (root === null) return findings.conclude(null, []);

  const token = tokenFlaw(root.api_key, apiKey);
  if (token !== null) findings.refuse(401, token.rule, token.detail);
  checkRootKeys(root, ['api_key', 'batch', 'sent_at', 'historical_migration'], findings);
  if (typeof root.sent_at !== 'string' || !isRfc3339Utc(root.sent_at)) {
    findings.note('sent_at_invalid', `sent_at must be RFC 3339 in UTC, written with Z, it is ${quoted(root.sent_at)}`);
  }
  checkHistoricalMigration(root, findings);
  return findings.conclude(root, judgeEvents(root.batch, 'v0', 'text' in body ? body.text : '', findings));
}
