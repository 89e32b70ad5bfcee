import { Global, Module, type Provider } from '@nestjs/common';
import { type CaptureService } from '../capture/capture.service.js';
import { getCaptureToken } from '../capture/inject-capture.decorator.js';
import { processSingleton } from '../shared/process-singleton.js';
import { Tracker } from './tracker.js';

@Global()
@Module({ providers: [Tracker], exports: [Tracker] })
class TrackingModuleClass {}

/** Gives an application its one tracker, visible in all its modules, however many instances there are and however global they are. */
export const TrackingModule = processSingleton('TrackingModule', () => TrackingModuleClass);

/** Makes an instance known to the tracker of its application. Whatever is provided under its token counts, a test's stand-in too. */
export function registerInstance(name: string | undefined): Provider {
  return {
    provide: `PostHogCaptureTracking:${name ?? ''}`,
    inject: [getCaptureToken(name), Tracker],
    useFactory: (capture: CaptureService, tracker: Tracker) => {
      tracker.register(name, capture);
      return true;
    },
  };
}
