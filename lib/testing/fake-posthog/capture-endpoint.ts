import { planCaptureResponse } from './capture-response.js';
import { type Endpoint, type Examination, type OpenRequest } from './endpoint.js';
import { type RequestBody } from './request-body.js';
import { type FaultScript } from './faults.js';
import { toStoredEvent } from './memory.js';
import { type RetryLedger } from './retry-ledger.js';
import { type Protocol, type Validation } from './validation.js';

export interface CaptureEndpointParts {
  /** The only accepted key; null: any well-formed key. */
  readonly apiKey: string | null;
  readonly faults: FaultScript;
  readonly ledger: RetryLedger;
}

const NOT_VALIDATED: Validation = { violations: [], refusal: null, json: undefined, batch: [], events: [] };

/** An endpoint that stores events. */
export function captureEndpoint(protocol: Protocol, { apiKey, faults, ledger }: CaptureEndpointParts): Endpoint {
  const { format } = protocol;
  return {
    name: protocol.endpoint,
    methods: ['POST'],
    format,
    limits: protocol,
    faults,
    examine(request: OpenRequest, body: RequestBody | null): Examination {
      const { headers, receivedAt } = request;
      const validation = body === null ? NOT_VALIDATED : protocol.validate(headers, body, apiKey);
      const { json, batch, refusal } = validation;
      return {
        violations: [...validation.violations, ...ledger.observe({ format, headers, receivedAt, json, batch })],
        json,
        events: batch.length,
        plan(fault) {
          const outcomes = validation.events.map(({ wire, ...rest }) => ({
            ...rest,
            stored: toStoredEvent(wire, request, protocol),
          }));
          return planCaptureResponse({ format, refusal, outcomes }, fault);
        },
      };
    },
  };
}
