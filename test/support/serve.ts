import { once } from 'node:events';
import { type Server as HttpServer } from 'node:http';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { type INestApplication, Module, type ModuleMetadata } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { CaptureService, PostHogCaptureModule, type PostHogCaptureModuleOptions } from 'nestjs-posthog-capture';
import { type FakePostHog, type StoredEvent } from 'nestjs-posthog-capture/testing';
import { KEY, onClose, PATIENT, startPostHog, watchAnswers, watchedOptions } from './harness.js';

export const ADAPTERS = ['express', 'fastify'] as const;
export type AdapterName = (typeof ADAPTERS)[number];

/** An application that listens on loopback, and a local PostHog. */
export interface Served {
  readonly app: INestApplication;
  readonly url: string;
  readonly capture: CaptureService;
  readonly posthog: FakePostHog;
  readonly lines: string[];
  /** Flushes the queue and returns the stored events, optionally only those with a name. */
  events(name?: string): Promise<StoredEvent[]>;
}

export interface ServeOptions extends ModuleMetadata {
  readonly adapter?: AdapterName | FastifyAdapter;
  readonly posthog?: PostHogCaptureModuleOptions;
  /** true: the application does not import the module. */
  readonly without?: boolean;
  /** Default: a free port. */
  readonly port?: number;
  /** Called before `listen()`, like the code of a main.ts. */
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
    ...PATIENT,
    flushIntervalMs: 5,
    // Events reach PostHog in the order of their capture, for all persons together.
    concurrency: 1,
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
 * Closes an application. `server.close()` closes connections that are idle at that moment; those that become idle later stay open for
 * the keep-alive timeout, which is 72 seconds with Fastify. Active connections, such as streams, still delay the end.
 */
async function close(app: INestApplication): Promise<void> {
  const server = app.getHttpServer() as Partial<HttpServer>;
  const idle = setInterval(() => server.closeIdleConnections?.(), 20);
  await app.close().finally(() => clearInterval(idle));
}

/** A free port, for transports that cannot select one. */
export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  return port;
}
