import { type DropReason, type QueuedEvent, type SendFailure } from './delivery.js';
import { type DurabilityListener } from './durability/durable-buffer.js';
import { type RequestObserver } from './sending/request-stats.js';

/** Who is told what becomes of events. Must not throw. */
export interface DeliveryObserver extends DurabilityListener, RequestObserver {
  /** An event waits to be sent. */
  queued(event: QueuedEvent): void;
  /** These wait for their next attempt: so long, or, where `delayMs` is null, in the queue again. */
  retrying(events: readonly QueuedEvent[], delayMs: number | null, failure: SendFailure): void;
  /** One request delivered these. */
  delivered(events: readonly QueuedEvent[], attempts: number, durationMs: number): void;
  dropped(event: QueuedEvent, reason: DropReason, detail: string): void;
  /** Sending failed for good for now; what is pending stays. Told at each start of a cool-down, with how long it lasts. */
  stalled(failure: SendFailure, pending: number, coolDownMs: number): void;
  /** The receiver answers again after a cool-down. */
  recovered(pending: number): void;
  /** After `close` nothing is in flight any more: connections may be closed. Told again after late events. */
  idle(): void;
}
