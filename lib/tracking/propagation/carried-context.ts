import { type CaptureService } from '../../capture/capture.service.js';
import { type CaptureContext, type SerializedContext } from '../../context/capture-context.js';
import { currentScope, openScope } from '../../context/context-scope.js';
import { processSingleton } from '../../shared/process-singleton.js';
import { noteRestored } from '../call/task-scopes.js';
import { settingsOf } from '../call/tracking-instance.js';

/** The field of a message or a job that holds the context of its sender. */
const KEY = '$posthog_context';

/** Data with the context of its sender. */
export type WithCarriedContext<T> = T & { [KEY]?: SerializedContext };

/**
 * Adds the current context to the data of a job or a message, so that the current user is also known where the job runs.
 *
 * @example queue.add('invoice', attachContext(capture, { orderId }))
 * @param data an object; any other value cannot carry a context and is returned unchanged, with a warning
 * @returns a copy with the additional key `$posthog_context`, which `@RestoreContext()` and `withJobContext` read
 */
export function attachContext<T>(capture: CaptureService, data: T): WithCarriedContext<T> {
  const context = capture.context.export();
  if (isCarrier(data)) return { ...data, [KEY]: context };
  settingsOf(capture).warn(
    'attachContext',
    'attachContext: only an object can carry a context, so the data has none: wrap it in an object.',
  );
  return data as WithCarriedContext<T>;
}

/**
 * Runs a function in the context of the user who queued the job. It inherits nothing from the worker's own context, so two jobs never
 * share a person.
 *
 * @param job of BullMQ, or any object with `data`
 * @returns the result of `fn`; errors pass through
 */
export function withJobContext<T>(capture: CaptureService, job: { readonly data?: unknown }, fn: () => T): T {
  return currentScope.run(openScope(undefined, {}), () =>
    capture.withContext(carriedContext({ data: job.data }), () => {
      noteRestored(job, currentScope.getStore());
      return fn();
    }),
  );
}

/** The context in a job, its data, or the payload of an event; undefined where there is none. Not checked yet. */
export function carriedContext(argument: unknown): CaptureContext | undefined {
  if (!isCarrier(argument)) return undefined;
  const carried = argument[KEY] ?? (isCarrier(argument.data) ? argument.data[KEY] : undefined);
  return isCarrier(carried) ? carried : undefined;
}

/** The contexts that were removed from payloads. */
const taken = processSingleton('taken-contexts', () => new WeakMap<object, CaptureContext>());

/**
 * Removes the context from the payload of a message, which a ValidationPipe may be about to check.
 *
 * @param args of the handler; the first is the payload
 */
export function takeCarriedContext([payload]: readonly unknown[]): CaptureContext | undefined {
  if (!isCarrier(payload)) return undefined;
  const carried = carriedContext({ [KEY]: payload[KEY] });
  // Several handlers of one event get the same payload.
  if (carried === undefined) return taken.get(payload);
  taken.set(payload, carried);
  Reflect.deleteProperty(payload, KEY);
  return carried;
}

function isCarrier(data: unknown): data is Record<string, unknown> {
  return typeof data === 'object' && data !== null && !Array.isArray(data);
}
