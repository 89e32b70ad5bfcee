import { createHash } from 'node:crypto';
import { HttpService } from '@nestjs/axios';
import { type DynamicModule, Logger, Module, type Provider } from '@nestjs/common';
import { ConfigModule, ConfigService } from '@nestjs/config';
import { ModuleRef } from '@nestjs/core';
import { type CaptureParts, CaptureService } from './capture/capture.service.js';
import { DropReporter } from './capture/drop-reporter.js';
import { EventIntake } from './capture/event-intake.js';
import { getCaptureToken } from './capture/inject-capture.decorator.js';
import { PostHogConfigurationError } from './config/configuration-error.js';
import { variableOf } from './config/environment.js';
import { resolveOptions } from './config/resolve-options.js';
import { CallInterpreter } from './context/call-interpreter.js';
import { type Warn } from './context/check-context.js';
import { ContextStorage } from './context/context-storage.js';
import { type DeliveryObserver, DeliveryPipeline } from './delivery/delivery-pipeline.js';
import { type Durability } from './delivery/durable-events.js';
import { eventStoreOf } from './event-stores.js';
import {
  type ASYNC_OPTIONS_TYPE,
  ConfigurableModuleClass,
  MODULE_OPTIONS_TOKEN,
  type OPTIONS_TYPE,
} from './posthog-capture.module-definition.js';
import { type HttpServiceToken, type PostHogCaptureOptions } from './posthog-capture.options.js';
import { onProcessEnd } from './process-end.js';
import { registerInstance, TrackingModule } from './tracking/tracking.module.js';
import { rememberSettings } from './tracking/tracking-settings.js';
import { BatchSender } from './wire/batch-sender.js';
import { describeError } from './wire/describe-error.js';
import { formatOf, reformat } from './wire/formats.js';
import { type HttpClient, privateHttpClient, sharedHttpClient } from './wire/http-client.js';
import { ingestionHost } from './wire/ingestion-host.js';

const FALLBACK_CONFIG = Symbol('ConfigService of last resort');

/** A ConfigService for applications whose own is not visible here, or that have none: it still reads the variables. */
@Module({
  imports: [ConfigModule],
  providers: [{ provide: FALLBACK_CONFIG, useExisting: ConfigService }],
  exports: [FALLBACK_CONFIG],
})
class FallbackConfigModule {}

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
    return complete(super.forRoot(options), options.name);
  }

  /** Like `forRoot`, with options from a factory (`useFactory`, `useClass`, `useExisting`; `imports`, `inject`). */
  static override forRootAsync(options: typeof ASYNC_OPTIONS_TYPE): DynamicModule {
    const { useFactory, useClass, useExisting } = options;
    if (!useFactory && !useClass && !useExisting) {
      throw new PostHogConfigurationError(['forRootAsync: expected useFactory, useClass or useExisting'], options.name);
    }
    return complete(super.forRootAsync(options), options.name);
  }
}

function complete(definition: DynamicModule, name: string | undefined): DynamicModule {
  const token = getCaptureToken(name);
  const capture: Provider = {
    provide: token,
    inject: [MODULE_OPTIONS_TOKEN, { token: ConfigService, optional: true }, FALLBACK_CONFIG, ModuleRef],
    useFactory: (explicit: unknown, config: ConfigService | undefined, fallback: ConfigService, modules: ModuleRef) =>
      createCapture(explicit, name, config ?? fallback, modules),
  };
  return {
    ...definition,
    imports: [...(definition.imports ?? []), FallbackConfigModule, TrackingModule],
    providers: [...(definition.providers ?? []), capture, registerInstance(name)],
    exports: [...(definition.exports ?? []), token],
  };
}

/** Puts one instance together. */
async function createCapture(
  explicit: unknown,
  name: string | undefined,
  config: ConfigService,
  modules: ModuleRef,
): Promise<CaptureService> {
  const { options, warnings } = resolveOptions({ explicit, name, config });
  const logger = options.logger ?? new Logger(name === undefined ? 'PostHogCapture' : `PostHogCapture:${name}`);
  for (const warning of warnings) logger.warn(warning);
  const reporter = new DropReporter(logger, options.onDrop);
  const warnOfContext: Warn = (warning) => reporter.warn(`context: ${warning}`, `Context: ${warning}.`);
  const contexts = new ContextStorage(warnOfContext, new CallInterpreter(options, warnOfContext));
  const intake = new EventIntake(contexts, formatOf(options.captureMode), options);
  const service = options.enabled
    ? await enabledService(options, name, modules, { contexts, intake, reporter })
    : new CaptureService({ contexts, intake, pipeline: null, reporter });
  rememberSettings(service, {
    context: options.enabled && options.context,
    requests: options.enabled && options.requests,
    warn: (kind, text) => reporter.warn(kind, text),
  });
  return service;
}

async function enabledService(
  options: Readonly<PostHogCaptureOptions>,
  name: string | undefined,
  modules: ModuleRef,
  parts: Pick<CaptureParts, 'contexts' | 'intake' | 'reporter'>,
): Promise<CaptureService> {
  const client = httpClient(options.http, modules);
  const pipeline = createPipeline(options, name, client, parts.reporter, await durabilityOf(options));
  await pipeline.recover().catch((error: unknown) => {
    const { message } = error as Error;
    throw new PostHogConfigurationError([`store (${variableOf('store', name) ?? ''}): ${message}`], name);
  });
  const service: CaptureService = new CaptureService({
    ...parts,
    pipeline,
    onStart: () => void client.http(),
    onClose: onProcessEnd(() => service.onApplicationShutdown()),
  });
  return service;
}

function createPipeline(
  options: Readonly<PostHogCaptureOptions>,
  name: string | undefined,
  client: HttpClient,
  reporter: DropReporter,
  durability: Durability | undefined,
): DeliveryPipeline {
  const { onDelivery } = options;
  const sender = new BatchSender(client, {
    ...options,
    host: ingestionHost(options.host),
    names: {
      apiKey: variableOf('apiKey', name) ?? '',
      host: variableOf('host', name) ?? '',
      captureMode: variableOf('captureMode', name) ?? '',
    },
  });
  const observer: DeliveryObserver = {
    delivered: (events, attempts, durationMs) => {
      if (onDelivery)
        reporter.tell('onDelivery', onDelivery, { uuids: events.map(({ id }) => id), attempts, durationMs });
    },
    dropped: ({ id, name: event }, reason, detail) => reporter.dropped({ reason, event, uuid: id, detail }),
    stalled: (failure, pending) => reporter.stalled(failure, pending),
    recovered: (pending) => reporter.recovered(pending),
    idle: () => client.releaseConnections(),
    storeFailed: (error) => reporter.storeFailed(describeError(error, options.apiKey)),
    storeWorks: () => reporter.storeWorks(),
    storeWarned: (warning) => reporter.warn(`store: ${warning}`, warning),
  };
  const deliveryOptions = { ...options, maxEventAgeMs: options.maxEventAgeMs ?? null };
  return new DeliveryPipeline(deliveryOptions, sender.send, observer, durability);
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
  };
}

function httpClient(http: PostHogCaptureOptions['http'], modules: ModuleRef): HttpClient {
  if (!isToken(http)) return privateHttpClient(http);
  return sharedHttpClient(() => {
    const service: unknown = modules.get(http, { strict: false });
    if (service instanceof HttpService) return service;
    throw new PostHogConfigurationError(['http: the token does not name an HttpService']);
  });
}

function isToken(http: PostHogCaptureOptions['http']): http is HttpServiceToken {
  return typeof http === 'function' || typeof http === 'string' || typeof http === 'symbol';
}
