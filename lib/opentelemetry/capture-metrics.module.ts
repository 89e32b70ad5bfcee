import { type DynamicModule, Module, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { type Meter } from '@opentelemetry/api';
import { CaptureService } from '../capture/capture.service.js';
import { getCaptureToken } from '../capture/inject-capture.decorator.js';
import { LIBRARY_NAME, LIBRARY_VERSION } from '../shared/version.js';
import { observeCapture, type ObserveCaptureOptions } from './observe-capture.js';

/** Options of `PostHogCaptureMetricsModule.forRoot`. */
export interface CaptureMetricsOptions {
  /** Meter that creates the instruments. Default: a meter of the global MeterProvider, which must be set before the application starts. */
  readonly meter?: Meter;
  /** Name of the instance to observe. Default: the default instance. */
  readonly name?: string;
}

class CaptureMetrics implements OnModuleInit, OnApplicationShutdown {
  readonly #modules: ModuleRef;
  readonly #options: CaptureMetricsOptions;
  #stop = (): Promise<void> | undefined => undefined;

  constructor(modules: ModuleRef, options: CaptureMetricsOptions) {
    this.#modules = modules;
    this.#options = options;
  }

  async onModuleInit(): Promise<void> {
    const { name, meter = await globalMeter() } = this.#options;
    const capture = this.#modules.get<CaptureService>(getCaptureToken(name), { strict: false });
    // A test double has neither statistics nor a shutdown.
    if (!(capture instanceof CaptureService)) return;
    const stop = observeOnce(capture, meter, { ...(name !== undefined && { name }) });
    this.#stop = async () => {
      await capture.onApplicationShutdown();
      stop();
    };
  }

  /** Nest may call this before the instance shuts down, but the final counts are known only afterwards. */
  async onApplicationShutdown(): Promise<void> {
    await this.#stop();
  }
}

const observed = new WeakMap<CaptureService, WeakSet<Meter>>();

/** Two modules may observe the same instance with the same meter; each request must count once. */
function observeOnce(capture: CaptureService, meter: Meter, options: ObserveCaptureOptions): () => void {
  const meters = observed.get(capture) ?? new WeakSet();
  observed.set(capture, meters);
  if (meters.has(meter)) return () => undefined;
  meters.add(meter);
  return observeCapture(capture, meter, options);
}

/** Records the metrics of an instance with OpenTelemetry, from module initialization up to and including the final counts at shutdown. */
@Module({})
export class PostHogCaptureMetricsModule {
  /**
   * Import it once for each instance. Without `meter` it needs `@opentelemetry/api`: if that package is missing, the application does not
   * start.
   */
  static forRoot(options: CaptureMetricsOptions = {}): DynamicModule {
    const provider = {
      provide: `POSTHOG_CAPTURE_METRICS:${options.name ?? ''}`,
      inject: [ModuleRef],
      useFactory: (modules: ModuleRef) => new CaptureMetrics(modules, options),
    };
    return { module: PostHogCaptureMetricsModule, providers: [provider] };
  }
}

/** @throws Error that names the package to install */
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
