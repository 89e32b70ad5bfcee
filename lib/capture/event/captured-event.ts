import { type QueuedEvent } from '../../delivery/delivery.js';

/**
 * An event that was captured here. A class, and not a literal: where many of a literal's objects outlive a collection, V8 comes to make
 * all of them among the old ones, and those keep their payload until a full collection, long after it was sent.
 */
export class CapturedEvent implements QueuedEvent {
  constructor(
    readonly id: string,
    readonly name: string,
    readonly orderKey: string,
    readonly format: string,
    readonly payload: string,
    readonly bytes: number,
    readonly capturedAt: number,
  ) {}

  /** A getter: a field would take memory in every event. */
  get hasOwnId(): boolean {
    return true;
  }
}

/** One whose id the application gave, perhaps to several. */
export class CapturedEventOfGivenId extends CapturedEvent {
  override get hasOwnId(): boolean {
    return false;
  }
}
