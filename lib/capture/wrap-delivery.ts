import { type Delivery } from '../delivery/delivery.js';
import { processSingleton } from '../shared/process-singleton.js';
import { type EventReporter } from './report/event-reporter.js';

/** The delivery of an instance, for a module that puts another one in front of it. */
export interface DeliveryAccess {
  /** Identifies the project whose events it delivers. undefined: a test records them, and nothing may be sent. */
  readonly project: string | undefined;
  /** Option of the instance. */
  readonly shutdownTimeoutMs: number;
  /** Does nothing if the instance is disabled. */
  wrap(wrap: (delivery: Delivery, reporter: EventReporter) => Delivery): void;
}

/** Beside the service, because its public API must not expose payloads. */
const accesses = processSingleton('delivery-access', () => new WeakMap<object, DeliveryAccess>());

export function allowWrapping(capture: object, access: DeliveryAccess): void {
  accesses.set(capture, access);
}

/** undefined for a test double of the service, which delivers nothing. */
export function deliveryAccessOf(capture: object): DeliveryAccess | undefined {
  return accesses.get(capture);
}
