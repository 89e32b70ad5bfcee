import { once } from 'node:events';
import { type Server as HttpServer } from 'node:http';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { type INestApplication, Module, type ModuleMetadata } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { CaptureService, PostHogCaptureModule, type PostHogCaptureModuleOptions } from 'nestjs-posthog-capture';
import { type FakePostHog, type StoredEvent } from 'nestjs-posthog-capture/testing';
import { KEY, onClose, startPostHog, watchAnswers, watchedOptions } from './harness.js';

export const ADAPTERS = ['express', 'fastify'] as const;
export type AdapterName = (typeof ADAPTERS)[number];

/** An application that listens on loopback, with the module in it unless `without` says so, and a local PostHog. */
export interface Served {
  readonly app: INestApplication;
  readonly url: string;
  readonly capture: CaptureService;
  readonly posthog: FakePostHog;
  readonly lines: string[];
  /** Sends what is queued, and answers all events that PostHog has, perhaps of one name. */
  events(name?: string): Promise<StoredEvent[]>;
}

export interface ServeOptions extends ModuleMetadata {
  readonly adapter?: AdapterName | FastifyAdapter;
  readonly posthog?: PostHogCaptureModuleOptions;
  /** Leaves the module out. */
  readonly without?: boolean;
  /** Default: a free one. */
  readonly port?: number;
  /** What main.ts would do between creating the application and listening. */
  readonly prepare?: (app: INestApplication) => unknown;
}

export async function serve(options: ServeOptions): Promise<Served> {
  const {
    adapter = 'express',
    posthog: posthogOptions,
    without = false,
    port: wanted = 0,
    prepare,
    ...metadata
  } = options;
  const posthog = await startPostHog();
  const lines: string[] = [];
  const capture = PostHogCaptureModule.forRoot({
    apiKey: KEY,
    host: posthog.url,
    flushIntervalMs: 5,
    ...watchedOptions(posthogOptions ?? {}, lines),
  });
  @Module({})
  class AppModule {}
  const root = {
    module: AppModule,
    ...metadata,
    imports: [...(without ? [] : [capture]), ...(metadata.imports ?? [])],
  };
  const quiet = { logger: false, abortOnError: false } as const;
  const app = await (adapter === 'express'
    ? NestFactory.create(root, quiet)
    : NestFactory.create(root, adapter === 'fastify' ? new FastifyAdapter() : adapter, quiet));
  onClose(() => close(app));
  if (!without) watchAnswers(app.get(CaptureService));
  await prepare?.(app);
  await app.listen(wanted, '127.0.0.1');
  const { port } = (app.getHttpServer() as Server).address() as AddressInfo;
  return {
    app,
    url: `http://127.0.0.1:${port}`,
    capture: without ? (undefined as unknown as CaptureService) : app.get(CaptureService),
    posthog,
    lines,
    async events(name) {
      await app.get(CaptureService).flush();
      return posthog.events.filter(({ event }) => name === undefined || event === name);
    },
  };
}

/**
 * Closes an application. Node closes the connections that are idle when that begins, and keeps those that become so a moment later for as
 * long as the server keeps connections alive: 72 seconds with Fastify. One that is at work, such as a stream, still holds the end up.
 */
async function close(app: INestApplication): Promise<void> {
  const server = app.getHttpServer() as Partial<HttpServer>;
  const idle = setInterval(() => server.closeIdleConnections?.(), 20);
  await app.close().finally(() => clearInterval(idle));
}

/** A port of loopback that nobody listens on, for transports that must be told one. */
export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  return port;
}
