import { type IncomingMessage, type ServerResponse } from 'node:http';
import { Logger, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { type CaptureService } from '../capture/capture.service.js';
import { LiveView } from '../live/live-view.js';
import { rawOf } from '../context/call-source.js';
import { cookieFor, queryOf } from './access.js';
import { captureSource } from './capture-source.js';
import { type InspectorSettings } from './inspector.options.js';

/** The token of the Inspector, within its module. */
export const INSPECTOR = 'POSTHOG_CAPTURE_INSPECTOR';

/** The page of one instance. Whether it may be seen is decided before: see inspector.guard.ts. */
export class Inspector implements OnApplicationBootstrap, OnModuleDestroy {
  readonly settings: InspectorSettings;
  readonly #view: LiveView;

  constructor(capture: CaptureService, name: string | undefined, settings: InspectorSettings) {
    const { maxEvents, mask } = settings;
    this.settings = settings;
    this.#view = new LiveView(captureSource(capture, name), { maxEvents, mask });
  }

  onApplicationBootstrap(): void {
    new Logger('PostHogCaptureInspector').log(this.settings.report);
  }

  /** Before the server closes, which would wait for open streams. */
  onModuleDestroy(): void {
    this.#view.close();
  }

  servePage(request: IncomingMessage, response: ServerResponse): void {
    const { token } = this.settings;
    // Whoever comes this far has shown the token: the gate saw to it.
    const isGiven = token !== null && queryOf(request).has('token');
    this.#view.servePage(response, isGiven ? { 'set-cookie': cookieFor(token, request) } : undefined);
  }

  serveStream(response: ServerResponse): void {
    this.#view.serveStream(response);
  }

  serveEvent(request: IncomingMessage, response: ServerResponse): void {
    this.#view.serveEvent(queryOf(request).get('id') ?? '', response);
  }
}

/** The request of Node that a framework's request is, or wraps. */
export function rawRequest(request: object): IncomingMessage {
  return rawOf<IncomingMessage>(request) ?? (request as IncomingMessage);
}

/** The response of Node that a framework's response is, or wraps; Fastify is told to leave it alone. */
export function takeResponse(response: object): ServerResponse {
  (response as { hijack?: () => unknown }).hijack?.();
  return rawOf<ServerResponse>(response) ?? (response as ServerResponse);
}
