import { type QueuedEvent } from './delivery.js';

/**
 * A class and not an object literal: if many objects of one literal survive a collection, V8 starts to allocate all of them in old space,
 * where they keep their payload until a full collection, long after it was sent.
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

  /** A getter, because a field would take memory in every event. */
  get hasOwnId(): boolean {
    return true;
  }
}

/** The id comes from the application, which may have given it to several events, or from a record, which does not say where it is from. */
export class CapturedEventOfGivenId extends CapturedEvent {
  override get hasOwnId(): boolean {
    return false;
  }
}
