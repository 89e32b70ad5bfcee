import { type QueuedEvent } from '../delivery.js';

/** What may be brought back, and for whom. */
export interface RecoveryRequest {
  /** Which PostHog project the events must be of; opaque. The same at each call of one instance. */
  readonly project: string;
  /** Most events to bring back now; 0: none, only look what is there. */
  readonly maxEvents: number;
  /** Most UTF-8 bytes of payload to bring back now. One event may exceed it, so that it ever comes. */
  readonly maxBytes: number;
  /**
   * To be told of events that were kept or brought back, and are not kept any more, as when the disk is gone under a store that
   * runs: those live in memory only from then on, and are appended again later. Does not throw. The same at each call.
   */
  readonly onLost?: (error: unknown, events: readonly QueuedEvent[]) => void;
}

/** What a store brought back. */
export interface Recovery {
  /** Oldest first. They are this process's from now on, until `remove`. */
  readonly events: readonly QueuedEvent[];
  /** What an operator should know, each in a sentence: damage, events of another project. Never holds a key or a payload. */
  readonly warnings: readonly string[];
}

/**
 * Keeps events for a later process. It knows neither batches nor retries: an event is appended when it is captured and
 * removed when somebody has answered for it, and what was not removed is brought back. Any method may throw or reject;
 * then the events concerned live in memory only.
 */
export interface EventStore {
  /**
   * Brings back events of `project` that no living process owns. Called before everything else, and again from time to
   * time: whenever there is room for more, and to look after processes that ended meanwhile. Not called while a call is
   * pending. A rejection of the first call stops the boot, unless the error's property `temporary` is true: then events live
   * in memory until the store works.
   */
  recover(request: RecoveryRequest): Promise<Recovery>;

  /**
   * Keeps these events, in this order. What is kept already is kept once.
   *
   * @returns when they are kept; nothing when they already are. One promise may stand for several calls.
   */
  append(events: readonly QueuedEvent[]): Promise<void> | undefined;

  /** Forgets events: the very objects that were appended or recovered. Others are ignored. */
  remove(events: readonly QueuedEvent[]): Promise<void> | undefined;

  /** Writes what is not written yet and lets go of what is left, for the next process. Called once, last. */
  close(): Promise<void>;
}
