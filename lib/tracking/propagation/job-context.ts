import { type CaptureService } from '../../capture/capture.service.js';
import { currentScope, openScope } from '../../context/context-scope.js';
import { carriedContext, carryContext, isCarrier, type WithCarriedContext } from './carried-context.js';
import { settingsOf } from '../call/tracking-instance.js';

/**
 * Data for a job or a message, with the current context in it: who acts is then also known where the job is done.
 *
 * @example queue.add('invoice', attachContext(capture, { orderId }))
 * @param data an object; anything else has no room for a context and is returned as it is, with a warning
 * @returns a copy with one key more, `$posthog_context`, which `@RestoreContext()` and `withJobContext` read
 */
export function attachContext<T>(capture: CaptureService, data: T): WithCarriedContext<T> {
  if (!isCarrier(data)) {
    settingsOf(capture).warn(
      'attachContext',
      'attachContext: only an object can carry a context; the data went without it.',
    );
  }
  return carryContext(data, capture.context.export());
}

/**
 * Does a job in the context of who queued it. Nothing of the worker's own context is left in it, so two jobs never share a
 * person.
 *
 * @param job of BullMQ: whatever has `data`
 * @returns what `fn` returns; what it throws passes through
 */
export function withJobContext<T>(capture: CaptureService, job: { readonly data?: unknown }, fn: () => T): T {
  return currentScope.run(openScope(undefined, {}), () => capture.withContext(carriedContext({ data: job.data }), fn));
}
