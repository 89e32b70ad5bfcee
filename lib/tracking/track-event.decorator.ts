import { UseInterceptors } from '@nestjs/common';
import { type Outcomes } from '../context/track-context.js';
import { PostHogConfigurationError } from '../shared/configuration-error.js';
import { checkTrackEvent, type TrackEventOptions } from './call/track-event.options.js';
import { planOf, wrapMethod } from './call/tracked-methods.js';
import { invokeMethod } from './invoke-method.js';
import { TrackEventInterceptor } from './track-event.interceptor.js';
import { injectTracker } from './tracker.js';

/**
 * Captures an event when a call of the method ends: once per call, in every transport, and whatever the method returns. For handlers of
 * controllers, resolvers and gateways, for jobs, schedules, event and command handlers, and for methods of any other provider.
 *
 * The method keeps its result, error, timing, name and metadata. Where PostHogCaptureModule is not imported it runs unchanged.
 * Several decorators on one method capture an event each.
 *
 * @param event name of the event, e.g. `order_placed`
 * @param options person, properties, and the calls to capture. Default: successful calls, with the person of the context
 * @throws PostHogConfigurationError when the class is loaded, for an invalid event name or invalid options
 */
export function TrackEvent<On extends Outcomes = 'success'>(
  event: string,
  options: TrackEventOptions<On> = {},
): MethodDecorator {
  return (target, name, descriptor: PropertyDescriptor | undefined) => {
    const where = `@TrackEvent(${typeof event === 'string' ? JSON.stringify(event) : typeof event}) on ${String(name)}()`;
    if (typeof target === 'function' || typeof descriptor?.value !== 'function') {
      throw new PostHogConfigurationError([
        `${where}: decorate an instance method, not a static method or an accessor`,
      ]);
    }
    const tracked = checkTrackEvent(event, options, where);
    const isFirst = planOf(descriptor.value).events.length === 0;
    descriptor.value = wrapMethod(descriptor, { events: [tracked] }, (self, args, original, plan) =>
      invokeMethod(self, name, args, original, plan),
    );
    if (isFirst) UseInterceptors(TrackEventInterceptor)(target, name, descriptor);
    injectTracker(target);
  };
}
