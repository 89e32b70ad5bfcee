import { type BatchOutcome } from '../delivery/delivery.js';
import { type PostHogEvent } from './posthog-event.js';
import { joinPayloads, type WireFormat } from './wire-format.js';

const STORED: BatchOutcome = { kind: 'settled', rejected: [], retry: [] };

/**
 * PostHog's batch endpoint, which every PostHog has: the key and the send time stand in the body, and the answer is for
 * the batch as a whole. Its body is not looked at, as servers differ in it.
 */
export const batchV0: WireFormat = {
  mode: 'v0',

  // As it is: the properties keep their own names.
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
