import 'reflect-metadata';
import { UseInterceptors } from '@nestjs/common';
import { PostHogConfigurationError } from '../options/configuration-error.js';
import { invokeMethod } from './invoke-method.js';
import { messageContexts } from './propagation/message-contexts.js';
import { wrapMethod } from './call/tracked-methods.js';

/**
 * Runs a method in the context of whoever sent its message or queued its job: the counterpart of `attachContext`. For
 * handlers of microservice messages, `process(job)` of a BullMQ processor, and handlers of events. A message or a job that
 * carries no context runs in one of its own, an event that carries none in that of whoever emitted it. Opt-in, because the sender is believed: use it for messages of your own services only.
 *
 * A message loses its context before pipes see it, so that a strict ValidationPipe takes it.
 */
export function RestoreContext(): MethodDecorator {
  return (target, name, descriptor: PropertyDescriptor | undefined) => {
    if (typeof target === 'function' || typeof descriptor?.value !== 'function') {
      throw new PostHogConfigurationError([
        `@RestoreContext() on ${String(name)}(): decorate a method of instances, no static one and no accessor`,
      ]);
    }
    descriptor.value = wrapMethod(descriptor, { restoresContext: true }, (self, args, original, plan) =>
      invokeMethod(self, name, args, original, plan),
    );
    UseInterceptors(messageContexts)(target, name, descriptor);
  };
}
