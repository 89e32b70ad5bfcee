import 'reflect-metadata';
import { UseInterceptors } from '@nestjs/common';
import { PostHogConfigurationError } from '../options/configuration-error.js';
import { invokeMethod } from './invoke-method.js';
import { injectOwner } from './owner.js';
import { TrackEventInterceptor } from './track-event.interceptor.js';
import { checkTrackEvent, type TrackEventOptions } from './call/track-event.options.js';
import { planOf, wrapMethod } from './call/tracked-methods.js';

/**
 * Captures an event when a call of the method ends: once per call, in every transport, and whatever the method returns. On
 * handlers of controllers, resolvers and gateways, on jobs, schedules, event and command handlers, and on methods of any other provider.
 *
 * The method keeps its result, error, timing, name and metadata. Where PostHogCaptureModule is not imported it just runs.
 * Several of these on one method capture an event each.
 *
 * @param event what happened, e.g. `order_placed`
 * @param options who did it, properties, and which calls count. Default: successful ones, of the person whom the context names
 * @throws PostHogConfigurationError when the class is loaded, for an event or options that cannot work
 */
export function TrackEvent(event: string, options: TrackEventOptions = {}): MethodDecorator {
  return (target, name, descriptor: PropertyDescriptor | undefined) => {
    const where = `@TrackEvent(${typeof event === 'string' ? JSON.stringify(event) : typeof event}) on ${String(name)}()`;
    if (typeof target === 'function' || typeof descriptor?.value !== 'function') {
      throw new PostHogConfigurationError([`${where}: decorate a method of instances, no static one and no accessor`]);
    }
    const tracked = checkTrackEvent(event, options, where);
    const isFirst = planOf(descriptor.value).events.length === 0;
    descriptor.value = wrapMethod(descriptor, { events: [tracked] }, (self, args, original, plan) =>
      invokeMethod(self, name, args, original, plan),
    );
    if (isFirst) UseInterceptors(TrackEventInterceptor)(target, name, descriptor);
    injectOwner(target);
  };
}
