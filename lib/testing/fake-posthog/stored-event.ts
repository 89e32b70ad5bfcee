import { randomUUID } from 'node:crypto';
import { isJsonObject, type JsonObject } from './json-values.js';
import { type RecordedRequest, type StoredEvent } from './recorded.js';

const V0_DISTINCT_ID_CHARACTERS = 200;

/** What PostHog would keep of an event that it accepts, with its own corrections. */
export function toStoredEvent(wire: JsonObject, request: RecordedRequest): StoredEvent {
  const v1 = request.format === 'v1';
  const distinctId = String(wire.distinct_id);
  const properties = isJsonObject(wire.properties) ? wire.properties : {};
  return {
    uuid: typeof wire.uuid === 'string' ? wire.uuid.toLowerCase() : randomUUID(),
    event: String(wire.event),
    distinct_id: v1 ? distinctId.trim() : distinctId.slice(0, V0_DISTINCT_ID_CHARACTERS),
    timestamp: typeof wire.timestamp === 'string' ? wire.timestamp : new Date(request.receivedAt).toISOString(),
    properties: v1 ? { ...properties, ...library(request.headers['posthog-sdk-info']) } : properties,
    ...(v1 && isJsonObject(wire.options) ? { options: wire.options } : {}),
    ...(v1 && typeof wire.session_id === 'string' ? { session_id: wire.session_id } : {}),
    ...(v1 && typeof wire.window_id === 'string' ? { window_id: wire.window_id } : {}),
    format: v1 ? 'v1' : 'v0',
    requestIndex: request.index,
    receivedAt: request.receivedAt,
  };
}

/** PostHog merges events that are equal in this: the UTC date, the name, the distinct id and the uuid. */
export function mergeKey(event: StoredEvent): string {
  const time = Date.parse(event.timestamp);
  const date = Number.isNaN(time) ? event.timestamp : new Date(time).toISOString().slice(0, 10);
  return JSON.stringify([date, event.event, event.distinct_id, event.uuid]);
}

function library(sdkInfo = ''): JsonObject {
  const slash = sdkInfo.lastIndexOf('/');
  return slash > 0 ? { $lib: sdkInfo.slice(0, slash), $lib_version: sdkInfo.slice(slash + 1) } : {};
}
