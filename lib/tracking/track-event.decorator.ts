import { UseInterceptors } from '@nestjs/common';
import { type EventDefinition } from '../events/define-event.js';
import { type EventClass, definedEventOf } from '../events/defined-event.js';
import { type Props } from '../events/event-class.js';
import { type SchemaInput, type StandardSchema } from '../shared/standard-schema.js';
import { type Outcomes } from '../context/track-context.js';
import { PostHogConfigurationError } from '../shared/configuration-error.js';
import { checkTrackEvent, type TrackEventOptions, type TypedTrackEventOptions } from './call/track-event.options.js';
import { planOf, wrapMethod } from './call/tracked-methods.js';
import { invokeMethod } from './invoke-method.js';
import { TrackEventInterceptor } from './track-event.interceptor.js';
import { injectTracker } from './tracker.js';

/** The options of `@TrackEvent` for a defined event. They may be left out if no property is required. */
export type TrackEventArguments<Properties, On extends Outcomes = 'success'> =
  Record<string, never> extends Properties
    ? [options?: TypedTrackEventOptions<Properties, On>]
    : [options: TypedTrackEventOptions<Properties, On>];

// `[T][T extends unknown ? 0 : never]` is `NoInfer<T>`, which TypeScript before 5.4 does not have: T is not inferred from the options.

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
  options?: TrackEventOptions<On>,
): MethodDecorator;
/**
 * Captures a defined event when a call of the method ends.
 *
 * @param event a result of `defineEvent`
 */
export function TrackEvent<Schema extends StandardSchema, On extends Outcomes = 'success'>(
  event: Pick<EventDefinition<string, Schema>, 'eventName' | 'schema' | 'info'>,
  ...options: TrackEventArguments<SchemaInput<[Schema][Schema extends unknown ? 0 : never]>, On>
): MethodDecorator;
/**
 * Captures an event of a class when a call of the method ends.
 *
 * @param event a class with `@Event`
 */
export function TrackEvent<T extends object, On extends Outcomes = 'success'>(
  event: EventClass<T>,
  ...options: TrackEventArguments<Props<[T][T extends unknown ? 0 : never]>, On>
): MethodDecorator;
export function TrackEvent(event: unknown, options: TrackEventOptions = {}): MethodDecorator {
  return (target, name, descriptor: PropertyDescriptor | undefined) => {
    const where = `@TrackEvent(${nameOf(event)}) on ${String(name)}()`;
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

function nameOf(event: unknown): string {
  const name = typeof event === 'function' ? (definedEventOf(event)?.event ?? event.name) : event;
  return typeof name === 'string' ? JSON.stringify(name) : typeof name;
}
