import { processSingleton } from '../shared/process-singleton.js';
import { type CaptureBoundary } from './exception/capture-boundary.js';
import { type Exceptions } from './exception/exceptions.js';
import { type Checked } from './input/source-event.js';
import { checkCaught, SUPPRESSED } from './input/special-events.js';

type Properties = Record<string, unknown>;
type CaptureCaught = (error: unknown, boundary: CaptureBoundary, properties: () => Properties) => string | null;

/** The service, or a test double. */
interface Capture {
  captureException(error: unknown, details: { properties: Properties }): string | null;
}

/** Beside the service, because an application only captures errors that it has caught itself. */
const captures = processSingleton('capture-caught', () => new WeakMap<object, CaptureCaught>());

/** @param enqueue does not call its argument if the instance is disabled */
export function allowCaptureCaught(
  capture: object,
  exceptions: Exceptions,
  enqueue: (check: () => Checked) => string | null,
): void {
  captures.set(capture, (error, boundary, properties) => {
    const known = exceptions.capturedAs(error);
    if (known !== undefined) return known;
    return enqueue(() =>
      exceptions.suppresses(error, boundary) ? SUPPRESSED : checkCaught(error, boundary, properties()),
    );
  });
}

/**
 * Captures an error that this package has observed, in the current context. An error that has been captured before is left alone, and one
 * beyond the limit costs no more than a look at its type. Never throws, unless `properties` does.
 *
 * @param capture a test double of the service is called as the application would call it
 * @param properties only called for an error that is captured
 * @returns the uuid, or null if the event was dropped
 */
export function captureCaught(
  capture: Capture,
  error: unknown,
  boundary: CaptureBoundary,
  properties: () => Properties = () => ({}),
): string | null {
  const own = captures.get(capture);
  return own === undefined
    ? capture.captureException(error, { properties: properties() })
    : own(error, boundary, properties);
}
