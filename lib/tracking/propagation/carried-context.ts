import { type CaptureContext, type SerializedContext } from '../../context/capture-context.js';
import { processSingleton } from '../../shared/process-singleton.js';

/** Where a message or a job keeps the context of its sender. */
const KEY = '$posthog_context';

/** What was taken out of payloads. */
const taken = processSingleton('taken-contexts', () => new WeakMap<object, CaptureContext>());

/** Data with the context of its sender in it. */
export type WithCarriedContext<T> = T & { [KEY]?: SerializedContext };

/** A copy of the data that carries a context; data that has no room for it (a text, a list) as it is. */
export function carryContext<T>(data: T, context: SerializedContext): WithCarriedContext<T> {
  return isCarrier(data) ? { ...data, [KEY]: context } : (data as WithCarriedContext<T>);
}

/** Whether data can carry a context. */
export function isCarrier(data: unknown): data is Record<string, unknown> {
  return typeof data === 'object' && data !== null && !Array.isArray(data);
}

/** The context that the data of a job or the payload of an event carries; undefined where there is none. Nothing of it is trusted yet. */
export function carriedContext(argument: unknown): CaptureContext | undefined {
  if (!isCarrier(argument)) return undefined;
  const carried = argument[KEY] ?? (isCarrier(argument.data) ? argument.data[KEY] : undefined);
  return isCarrier(carried) ? carried : undefined;
}

/**
 * The same of a message, taken out of its payload, which a ValidationPipe may be about to check.
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
