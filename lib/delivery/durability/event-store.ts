import { type QueuedEvent } from '../delivery.js';

/** The argument of `recover`. */
export interface RecoveryRequest {
  /** The project whose events are wanted. Opaque, and the same at each call of one instance. */
  readonly project: string;
  /** Maximum number of events to return; 0 only looks for warnings. */
  readonly maxEvents: number;
  /** Maximum UTF-8 bytes of payload to return. A single event may exceed it, or it would never be returned. */
  readonly maxBytes: number;
  /**
   * Call with events that were kept or recovered and are lost, for instance because the disk is gone: from then on they are in
   * memory only, and are appended again later. Does not throw. The same at each call.
   */
  readonly onLost?: (error: unknown, events: readonly QueuedEvent[]) => void;
  /**
   * Call with recovered events that belong to another process now, because this one seemed dead: they must not be sent or removed
   * from here any more. Events that were removed, or are not from this store, are ignored. Does not throw. The same at each call.
   */
  readonly onGone?: (events: readonly QueuedEvent[]) => void;
}

/** A store that may be filled elsewhere only. Then the events of this process are in memory only. */
export type ReadableStore = Omit<EventStore, 'append'> & Partial<Pick<EventStore, 'append'>>;

/** Maximum of events to recover. */
export type Capacity = Pick<RecoveryRequest, 'maxEvents' | 'maxBytes'>;

/** The result of `recover`. */
export interface Recovery {
  /** Oldest first. They belong to this process until `remove`. */
  readonly events: readonly QueuedEvent[];
  /** Sentences for an operator, about damage or events of another project. Must contain neither key nor payload. */
  readonly warnings: readonly string[];
  /** There may be more events, and the call returned early so as not to delay the boot: call it again soon. Default: false. */
  readonly more?: boolean;
}

/**
 * Keeps events for a later process. It knows neither batches nor retries: an event is appended when it is captured and removed
 * when its fate is known; what was not removed is recovered. Every method may throw or reject; the events concerned are then in
 * memory only.
 */
export interface EventStore {
  /**
   * Milliseconds between two calls of `recover` while it returns nothing. Read before each wait, so a store may wait longer the longer
   * it is idle. Default: 10,000.
   */
  readonly lookAgainMs?: number;

  /**
   * Returns a promise if it is not certain at this moment that these events, which it recovered, still belong to this process; nothing
   * if it is certain. It resolves when it is known: then the events are its own, or `onGone` was called. Until then they are not sent.
   * Never rejects.
   */
  confirm?(events: readonly QueuedEvent[]): Promise<void> | undefined;

  /**
   * Returns events of `project` that no running process owns. Called before everything else, and again whenever there is
   * capacity for more and to find events of processes that ended meanwhile. Never called while a call is pending. If the first
   * call rejects, the boot fails, unless the error's property `temporary` is true: then events are in memory only until the
   * store works.
   */
  recover(request: RecoveryRequest): Promise<Recovery>;

  /**
   * Keeps these events, in this order. An event that is kept already is kept once.
   *
   * @returns a promise that resolves when they are kept, or nothing if they are. Several calls may return the same promise.
   */
  append(events: readonly QueuedEvent[]): Promise<void> | undefined;

  /** Deletes events: the very objects that were appended or recovered. Others are ignored. */
  remove(events: readonly QueuedEvent[]): Promise<void> | undefined;

  /**
   * Writes everything that was appended and removed before it returns, or throws. Called when an uncaught error ends the process. Of a
   * store without it, only events that it has reported as kept count as kept then.
   */
  commit?(): void;

  /** Writes what is not written yet, and gives the remaining events up to the next process. Called once, last. */
  close(): Promise<void>;
}
