import { type BatchOutcome } from '../delivery/delivery.js';
import { type PostHogEvent } from './posthog-event.js';
import { joinPayloads, type WireFormat } from './wire-format.js';

const STORED: BatchOutcome = { kind: 'settled', rejected: [], retry: [] };

/**
 * PostHog's batch endpoint, which every server supports. The body contains the key and the send time, and a success applies to the
 * whole batch. The response body differs between servers and is ignored.
 */
export const batchV0: WireFormat = {
  mode: 'v0',

  encode: (event) => event,

  decode: (encoded) => encoded as PostHogEvent,

  request: (batch, { apiKey, historicalMigration, sentAt }) => ({
    path: '/batch/',
    headers: {},
    body:
      `{"api_key":${JSON.stringify(apiKey)},"batch":[${joinPayloads(batch)}],"sent_at":"${sentAt}"` +
      (historicalMigration ? ',"historical_migration":true}' : '}'),
  }),

  interpret: () => STORED,
};
