import { createHash } from 'node:crypto';
import { type Endpoint, type Examination, type OpenRequest } from '../endpoint.js';
import { type RequestBody } from '../request-body.js';
import { type FaultScript, type FlagsFault } from '../faults.js';
import { checkUserAgent, tokenViolation } from '../request-rules.js';
import { errorResponse, json, type PlannedResponse } from '../response.js';
import { ViolationCollector } from '../validation.js';
import { type RuleViolation } from '../recorded.js';
import { type FakeFlags } from './fake-flags.js';
import { withoutEvents } from './flags-endpoint.js';

export interface DefinitionKeys {
  /** The only accepted project key; null: any well-formed one. */
  readonly apiKey: string | null;
  /** The only accepted secret key; null: any that starts with `phs_` or `phx_`. */
  readonly secretKey: string | null;
}

/** `GET /flags/definitions?token=…&send_cohorts`: the flags, for clients that evaluate them locally. */
export function definitionsEndpoint(
  flags: FakeFlags,
  faults: FaultScript<FlagsFault>,
  { apiKey, secretKey }: DefinitionKeys,
): Endpoint {
  return {
    name: 'flag_definitions',
    methods: ['GET'],
    format: null,
    limits: { maxWireBytes: 0, maxDecodedBytes: 0, encodings: [], unknownEncodingStatus: 400 },
    faults,
    examine({ query, headers }: OpenRequest, body: RequestBody | null): Examination {
      const violations = new ViolationCollector();
      if (body !== null) {
        checkKeys(new URLSearchParams(query), headers.authorization, { apiKey, secretKey }, violations);
        checkUserAgent(headers['user-agent'], violations);
        if ('unreadable' in body) violations.refuse(body.unreadable.status, 'body', 'a GET request has no body');
      }
      const { list, refusal } = violations;
      return {
        violations: list,
        json: undefined,
        events: 0,
        plan(fault) {
          const response =
            refusal === null
              ? definitionsResponse(flags, headers['if-none-match'])
              : errorResponse('json', refusal.status, refusal.message);
          return withoutEvents(response, fault, 'json');
        },
      };
    },
  };
}

function checkKeys(
  query: URLSearchParams,
  authorization: string | undefined,
  { apiKey, secretKey }: DefinitionKeys,
  violations: ViolationCollector,
): void {
  const secret = secretViolation(/^Bearer (.+)$/.exec(authorization ?? '')?.[1], secretKey);
  if (secret !== null) violations.refuse(401, secret.rule, secret.detail);
  const token = tokenViolation(query.get('token'), apiKey);
  if (token !== null) violations.refuse(401, token.rule, `token in the query: ${token.detail}`);
  if (!query.has('send_cohorts')) {
    violations.add(
      'send_cohorts',
      'send_cohorts is missing in the query: flags that depend on cohorts cannot be evaluated',
    );
  }
}

/** The detail never quotes a key. */
function secretViolation(secret: string | undefined, expected: string | null): RuleViolation | null {
  if (secret === undefined) {
    return { rule: 'secret_key_missing', detail: 'the header Authorization must be Bearer and a secret key' };
  }
  if (!/^ph[sx]_[\x21-\x7e]+$/.test(secret)) {
    return { rule: 'secret_key_invalid', detail: 'the secret key must start with phs_ or phx_' };
  }
  if (expected !== null && secret !== expected) {
    const detail = 'the secret key differs from the one that this server was started with';
    return { rule: 'secret_key_unknown', detail };
  }
  return null;
}

function definitionsResponse(flags: FakeFlags, known: string | undefined): PlannedResponse {
  if (flags.quotaLimited) return errorResponse('json', 402, 'the project is over its quota of feature flag requests');
  const response = json(200, flags.definitions.body);
  const etag = `"${createHash('sha256').update(response.body).digest('hex').slice(0, 32)}"`;
  const headers = { ...response.headers, etag };
  return known === etag ? { status: 304, headers: { etag }, body: '' } : { ...response, headers };
}
