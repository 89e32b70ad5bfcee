import { Global, Inject, Module, type NestModule, type Provider } from '@nestjs/common';
import { type CaptureService } from '../capture/capture.service.js';
import { getCaptureToken } from '../capture/inject-capture.decorator.js';
import { processClass } from '../shared/process-singleton.js';
import { Tracker } from './tracker.js';

@Global()
@Module({ providers: [Tracker], exports: [Tracker] })
class TrackingModuleClass implements NestModule {
  readonly #tracker: Tracker;

  constructor(@Inject(Tracker) tracker: Tracker) {
    this.#tracker = tracker;
  }

  /** Called by Nest just before it registers middleware and routes. */
  configure(): void {
    this.#tracker.prepareRoutes(TrackingModule);
  }
}

/** Gives an application its tracker, visible in all its modules. Nest creates it once, even if several instances import it. */
export const TrackingModule = processClass('TrackingModule', TrackingModuleClass);

/** Registers an instance with the tracker of its application. A test's stand-in provided under its token is registered too. */
export function registerInstance(name: string | undefined): Provider {
  return {
    provide: `PostHogCaptureTracking:${name ?? ''}`,
    inject: [getCaptureToken(name), Tracker],
    useFactory: async (capture: CaptureService, tracker: Tracker) => {
      tracker.register(name, capture);
      await tracker.seeErrors();
      return true;
    },
  };
}
