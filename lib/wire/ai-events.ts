import { batchV0 } from './batch-v0.js';
import { eventsV1 } from './events-v1.js';
import { type WireFormat } from './wire-format.js';

const MEBIBYTE = 1024 * 1024;

/** PostHog's limit of an AI event, which may contain whole conversations and media. */
export const MAX_AI_EVENT_BYTES = 8 * MEBIBYTE;
/** PostHog's limit of a request, before compression, except that a larger event goes alone. */
export const MAX_AI_BATCH_BYTES = 5 * MEBIBYTE;

/** PostHog's endpoint for AI events refuses all others. */
export const isAiEventName = (event: string): boolean => event.startsWith('$ai_');

/** The requests and responses of another format, at an endpoint of their own. */
const at = (path: string, name: WireFormat['name'], format: WireFormat): WireFormat => ({
  ...format,
  name,
  substitute: format,
  request: (batch, context) => ({ ...format.request(batch, context), path }),
});

export const aiBatchV0 = at('/i/v0/ai/batch/', 'ai-v0', batchV0);
export const aiEventsV1 = at('/i/v1/ai/events', 'ai-v1', eventsV1);
