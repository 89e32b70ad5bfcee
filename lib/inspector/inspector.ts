import { type IncomingMessage, type ServerResponse } from 'node:http';
import { Logger, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { type CaptureService } from '../capture/capture.service.js';
import { LiveView } from '../live/live-view.js';
import { personalOf } from '../shared/personal-properties.js';
import { rawOf } from '../context/call-source.js';
import { cookieFor, queryOf } from './access.js';
import { captureSource } from './capture-source.js';
import { type InspectorSettings } from './inspector.options.js';

/** Injection token of Inspector. */
export const INSPECTOR = 'POSTHOG_CAPTURE_INSPECTOR';

/** The page of one instance. inspector.guard.ts controls access to it. */
export class Inspector implements OnApplicationBootstrap, OnModuleDestroy {
  readonly settings: InspectorSettings;
  readonly #view: LiveView;

  constructor(capture: CaptureService, name: string | undefined, settings: InspectorSettings) {
    const { maxEvents, mask } = settings;
    this.settings = settings;
    this.#view = new LiveView(captureSource(capture, name), { maxEvents, mask, personalOf });
  }

  onApplicationBootstrap(): void {
    new Logger('PostHogCaptureInspector').log(this.settings.bootMessage);
  }

  /** Ends the streams before the server closes, because it would wait for them. */
  onModuleDestroy(): void {
    this.#view.close();
  }

  servePage(request: IncomingMessage, response: ServerResponse): void {
    const { token } = this.settings;
    // The guard has verified the token.
    const isInQuery = token !== null && queryOf(request).has('token');
    this.#view.servePage(response, isInQuery ? { 'set-cookie': cookieFor(token, request) } : undefined);
  }

  serveStream(response: ServerResponse): void {
    this.#view.serveStream(response);
  }

  serveEvent(request: IncomingMessage, response: ServerResponse): void {
    this.#view.serveEvent(queryOf(request).get('id') ?? '', response);
  }

  serveDefinitions(response: ServerResponse): void {
    this.#view.serveDefinitions(response);
  }
}

/** Returns the Node request of an Express or Fastify request. */
export function rawRequest(request: object): IncomingMessage {
  return rawOf<IncomingMessage>(request) ?? (request as IncomingMessage);
}

/** Returns the Node response of an Express or Fastify response, and takes it over from Fastify. */
export function takeResponse(response: object): ServerResponse {
  (response as { hijack?: () => unknown }).hijack?.();
  return rawOf<ServerResponse>(response) ?? (response as ServerResponse);
}
