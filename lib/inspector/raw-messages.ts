import { type IncomingMessage, type ServerResponse } from 'node:http';
import { rawOf } from '../tracking/http/response-end.js';

/** The request of Node that a framework's request is, or wraps. */
export function rawRequest(request: object): IncomingMessage {
  return rawOf<IncomingMessage>(request) ?? (request as IncomingMessage);
}

/** The response of Node that a framework's response is, or wraps; Fastify is told to leave it alone. */
export function takeResponse(response: object): ServerResponse {
  (response as { hijack?: () => unknown }).hijack?.();
  return rawOf<ServerResponse>(response) ?? (response as ServerResponse);
}
