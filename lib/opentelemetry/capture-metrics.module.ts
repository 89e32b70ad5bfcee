import { type DynamicModule, Module, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { type Meter } from '@opentelemetry/api';
import { CaptureService } from '../capture/capture.service.js';
import { getCaptureToken } from '../capture/inject-capture.decorator.js';
import { LIBRARY_NAME, LIBRARY_VERSION } from '../shared/version.js';
import { observeCapture, type ObserveCaptureOptions } from './observe-capture.js';

/** Which instance is observed, and by whom. */
export interface CaptureMetricsOptions {
  /** Default: one of the global MeterProvider, which must be set before the application starts. */
  readonly meter?: Meter;
  /** The name of a named instance. Default: the default one. */
  readonly name?: string;
}

class CaptureMetrics implements OnModuleInit, OnApplicationShutdown {
  readonly #modules: ModuleRef;
  readonly #options: CaptureMetricsOptions;
  #end = (): Promise<void> | undefined => undefined;

  constructor(modules: ModuleRef, options: CaptureMetricsOptions) {
    this.#modules = modules;
    this.#options = options;
  }

  async onModuleInit(): Promise<void> {
    const { name, meter = await globalMeter() } = this.#options;
    const capture = this.#modules.get<CaptureService>(getCaptureToken(name), { strict: false });
    // A test's stand-in has neither figures nor an end.
    if (!(capture instanceof CaptureService)) return;
    const end = observeOnce(capture, meter, { ...(name !== undefined && { name }) });
    this.#end = async () => {
      await capture.onApplicationShutdown();
      end();
    };
  }

  /** Nest may end us before the instance, and the last figures are known only when its events are settled. */
  async onApplicationShutdown(): Promise<void> {
    await this.#end();
  }
}

const observed = new WeakMap<CaptureService, WeakSet<Meter>>();

/** Several modules of an application may ask for the same; each request counts once. */
function observeOnce(capture: CaptureService, meter: Meter, options: ObserveCaptureOptions): () => void {
  const meters = observed.get(capture) ?? new WeakSet();
  observed.set(capture, meters);
  if (meters.has(meter)) return () => undefined;
  meters.add(meter);
  return observeCapture(capture, meter, options);
}

/** Observes an instance with OpenTelemetry, from the start of the application to the collection after its end. */
@Module({})
export class PostHogCaptureMetricsModule {
  /** One for each instance. Without `meter` it needs the package `@opentelemetry/api`; the boot fails where that is missing. */
  static forRoot(options: CaptureMetricsOptions = {}): DynamicModule {
    const provider = {
      provide: `POSTHOG_CAPTURE_METRICS:${options.name ?? ''}`,
      inject: [ModuleRef],
      useFactory: (modules: ModuleRef) => new CaptureMetrics(modules, options),
    };
    return { module: PostHogCaptureMetricsModule, providers: [provider] };
  }
}

/** @throws an Error that names the package to install */
async function globalMeter(): Promise<Meter> {
  try {
    const { metrics } = await import('@opentelemetry/api');
    return metrics.getMeter(LIBRARY_NAME, LIBRARY_VERSION);
  } catch (error) {
    throw new Error('the package @opentelemetry/api cannot be loaded: npm install @opentelemetry/api', {
      cause: error,
    });
  }
}
