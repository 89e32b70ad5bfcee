import { createHash } from 'node:crypto';
import { HttpService } from '@nestjs/axios';
import { type DynamicModule, Module } from '@nestjs/common';
import { type ModuleRef } from '@nestjs/core';
import { assembleCapture } from './assemble-capture.js';
import { type CaptureService } from '../capture/capture.service.js';
import { PostHogConfigurationError } from '../options/configuration-error.js';
import { describeName } from '../options/describe-value.js';
import { variableOf } from '../options/environment.js';
import { resolveOptions } from '../options/resolve-options.js';
import { DeliveryPipeline } from '../delivery/delivery-pipeline.js';
import { type Durability } from '../delivery/durability/durable-buffer.js';
import { eventStoreOf } from './event-store-of.js';
import { instanceModule, type InstanceSource, requireFactory } from './instance-module.js';
import {
  type ASYNC_OPTIONS_TYPE,
  ConfigurableModuleClass,
  type OPTIONS_TYPE,
} from './posthog-capture.module-definition.js';
import { type HttpServiceToken, type PostHogCaptureOptions } from '../options/posthog-capture.options.js';
import { onBeforeExit } from '../shared/process-hooks.js';
import { BatchSender } from '../wire/batch-sender.js';
import { describeStoreError } from '../wire/describe-error.js';
import { formatOf, reformat } from '../wire/formats.js';
import { sharedAxiosClient } from '../wire/axios-client.js';
import { proxyProblem } from '../wire/axios-proxy.js';
import { type HttpClient } from '../wire/http-client.js';
import { privateClient } from '../wire/private-client.js';
import { ingestionHost } from '../wire/ingestion-host.js';

/**
 * Sends events to PostHog. `forRoot()` reads everything from ConfigService and the environment; options given in code
 * win. Global by default. With `name` it makes a second, independent instance.
 */
@Module({})
export class PostHogCaptureModule extends ConfigurableModuleClass {
  /**
   * @param options any of PostHogCaptureOptions, and `name` and `isGlobal`
   * @throws PostHogConfigurationError at boot, naming every problem at once
   */
  static override forRoot(options: typeof OPTIONS_TYPE = {}): DynamicModule {
    return instanceModule(super.forRoot(options), options.name, createCapture);
  }

  /** Like `forRoot`, with options from a factory (`useFactory`, `useClass`, `useExisting`; `imports`, `inject`). */
  static override forRootAsync(options: typeof ASYNC_OPTIONS_TYPE): DynamicModule {
    requireFactory(options);
    return instanceModule(super.forRootAsync(options), options.name, createCapture);
  }
}

/** An instance that sends to PostHog. */
function createCapture({ explicit, name, config, modules }: InstanceSource): Promise<CaptureService> {
  const resolved = resolveOptions({ explicit, name, config });
  const { options } = resolved;
  return assembleCapture(resolved, name, async (reporter, shutDown) => {
    const client = httpClient(options, name, modules);
    const sender = createSender(options, name, client);
    const deliveryOptions = { ...options, maxEventAgeMs: options.maxEventAgeMs ?? null };
    const pipeline = new DeliveryPipeline(deliveryOptions, sender, reporter, await durabilityOf(options));
    await pipeline.recover().catch((error: unknown) => {
      const { message } = Object(error) as { message?: unknown };
      const problem = String(message).replaceAll(options.apiKey, '***');
      throw new PostHogConfigurationError([`store (${variableOf('store', name) ?? ''}): ${problem}`], name);
    });
    return { delivery: pipeline, onStart: () => client.prepare(), onClose: onBeforeExit(shutDown) };
  });
}

function createSender(
  options: Readonly<PostHogCaptureOptions>,
  name: string | undefined,
  client: HttpClient,
): BatchSender {
  return new BatchSender(client, {
    ...options,
    host: ingestionHost(options.host),
    names: {
      apiKey: variableOf('apiKey', name) ?? '',
      host: variableOf('host', name) ?? '',
      captureMode: variableOf('captureMode', name) ?? '',
    },
  });
}

async function durabilityOf(options: Readonly<PostHogCaptureOptions>): Promise<Durability | undefined> {
  const { store, captureMode, host, apiKey } = options;
  if (store === undefined) return undefined;
  return {
    store: await eventStoreOf(store),
    // Says which project it is, and not the key.
    project: createHash('sha256')
      .update(`${ingestionHost(host)}\n${apiKey}`)
      .digest('hex')
      .slice(0, 16),
    adapt: (event) => reformat(event, formatOf(captureMode)),
    describeError: (error, events) => describeStoreError(error, apiKey, events),
  };
}

function httpClient(
  { http, host, apiKey }: PostHogCaptureOptions,
  name: string | undefined,
  modules: ModuleRef,
): HttpClient {
  if (!isToken(http)) {
    refuse(proxyProblem(host, http), name);
    return privateClient(http);
  }
  const client = sharedAxiosClient(() => {
    const service = find(modules, http);
    if (service instanceof HttpService) return service;
    throw new PostHogConfigurationError([`http: ${describeToken(http, apiKey)} does not name an HttpService`]);
  });
  return {
    ...client,
    prepare() {
      client.prepare();
      const service = find(modules, http);
      if (service instanceof HttpService) refuse(proxyProblem(host, service.axiosRef.defaults), name);
    },
  };
}

function refuse(problem: string | undefined, name: string | undefined): void {
  if (problem !== undefined) throw new PostHogConfigurationError([`http: ${problem}`], name);
}

/** What was given for `http` may be anything by mistake, a key as well. */
function describeToken(token: HttpServiceToken, apiKey: string): string {
  if (typeof token === 'function') return `the token ${token.name}`;
  return `the token ${describeName(typeof token === 'symbol' ? (token.description ?? '') : token, apiKey)}`;
}

/** Nest's own error would quote the token. */
function find(modules: ModuleRef, token: HttpServiceToken): unknown {
  try {
    return modules.get<unknown>(token, { strict: false });
  } catch {
    return undefined;
  }
}

function isToken(http: PostHogCaptureOptions['http']): http is HttpServiceToken {
  return typeof http === 'function' || typeof http === 'string' || typeof http === 'symbol';
}
