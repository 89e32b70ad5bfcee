import { randomUUID } from 'node:crypto';
import { type Endpoint, type Examination, type OpenRequest } from '../endpoint.js';
import { type RequestBody } from '../request-body.js';
import { type Fault, type FaultScript, type FlagsFault } from '../faults.js';
import { isJsonObject, type JsonObject } from '../json-values.js';
import { readRoot } from '../request-rules.js';
import {
  type ErrorForm,
  errorResponse,
  json,
  type PlannedResponse,
  type ResponsePlan,
  withFault,
} from '../response.js';
import { ViolationCollector } from '../validation.js';
import { type FakeFlags } from './fake-flags.js';
import { checkFlagsBody, checkFlagsHeaders } from './flags-request-rules.js';

const MAX_BODY_BYTES = 2 * 1024 * 1024;

/** `POST /flags/?v=2`: evaluates flags for one person. */
export function flagsEndpoint(flags: FakeFlags, faults: FaultScript<FlagsFault>, apiKey: string | null): Endpoint {
  return {
    name: 'flags',
    methods: ['POST'],
    format: null,
    limits: {
      maxWireBytes: MAX_BODY_BYTES,
      maxDecodedBytes: MAX_BODY_BYTES,
      encodings: [],
      unknownEncodingStatus: 400,
    },
    faults,
    examine({ query, headers }: OpenRequest, body: RequestBody | null): Examination {
      const violations = new ViolationCollector();
      if (body !== null) checkFlagsHeaders(query, headers, violations);
      const root = body === null ? null : readRoot(body, violations);
      if (root !== null) checkFlagsBody(root, apiKey, violations);
      const { list, refusal } = violations;
      return {
        violations: list,
        json: root ?? undefined,
        events: 0,
        plan(fault) {
          const response =
            root === null || refusal !== null
              ? errorResponse('text', refusal?.status ?? 400, refusal?.message ?? '')
              : json(200, evaluated(flags, root));
          return withoutEvents(response, fault, 'text');
        },
      };
    },
  };
}

/** Plans a response to a request that stores nothing. */
export function withoutEvents(response: PlannedResponse, fault: Fault | null, errors: ErrorForm): ResponsePlan {
  const normal: ResponsePlan = { delayMs: 0, store: [], response, mode: 'whole' };
  return fault === null ? normal : withFault(normal, fault, errors);
}

function evaluated(flags: FakeFlags, root: JsonObject): JsonObject {
  const query = {
    distinctId: String(root.distinct_id),
    groups: objectOf(root.groups),
    personProperties: objectOf(root.person_properties),
    groupProperties: objectOf(root.group_properties),
  };
  const { flag_keys_to_evaluate: keys } = root;
  return {
    flags: flags.quotaLimited ? {} : flags.evaluate(query, Array.isArray(keys) ? keys : null),
    errorsWhileComputingFlags: flags.errorsWhileComputingFlags,
    requestId: randomUUID(),
    evaluatedAt: Date.now(),
    ...(flags.quotaLimited ? { quotaLimited: ['feature_flags'] } : {}),
    ...(flags.minimalFlagCalledEvents ? { minimalFlagCalledEvents: true } : {}),
  };
}

function objectOf(value: unknown): JsonObject {
  return isJsonObject(value) ? value : {};
}
