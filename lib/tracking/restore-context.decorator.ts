import { UseInterceptors } from '@nestjs/common';
import { PostHogConfigurationError } from '../shared/configuration-error.js';
import { wrapMethod } from './call/tracked-methods.js';
import { invokeMethod } from './invoke-method.js';
import { messageContexts } from './propagation/message-contexts.js';

/**
 * Runs a method in the context of the sender of its message or job: the counterpart of `attachContext`. For handlers of microservice
 * messages, `process(job)` of a BullMQ processor, and event handlers. A message or a job without a context runs in a new one, an event
 * without a context in that of its emitter. The sender is trusted, so use it for messages of your own services only.
 *
 * The context is removed from a message before pipes run, so that it passes a strict ValidationPipe.
 */
export function RestoreContext(): MethodDecorator {
  return (target, name, descriptor: PropertyDescriptor | undefined) => {
    if (typeof target === 'function' || typeof descriptor?.value !== 'function') {
      throw new PostHogConfigurationError([
        `@RestoreContext() on ${String(name)}(): decorate an instance method, not a static method or an accessor`,
      ]);
    }
    descriptor.value = wrapMethod(descriptor, { restoresContext: true }, (self, args, original, plan) =>
      invokeMethod(self, name, args, original, plan),
    );
    UseInterceptors(messageContexts)(target, name, descriptor);
  };
}
