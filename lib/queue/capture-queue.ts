import { type SendFailure, type Sender } from '../delivery/delivery.js';
import { type EventStore } from '../delivery/durability/event-store.js';

/**
 * The project of AI events in a queue: apart, because relays send them to another endpoint, and others must not wait behind them if it is
 * down. An application cannot choose a name with a plus.
 */
export const aiProjectOf = (project: string): string => `${project}+ai`;

/** Events that wait for a relay: the side of a queue, or of an outbox, that relays take events from. */
export interface RelaySource {
  /** `outbox`: the table in which an application writes its events. Default: a shared queue. */
  readonly kind?: 'outbox';

  /**
   * Name of the project that its events belong to, if the application chose one. Default: none, and callers pass an opaque id of
   * PostHog's host and key.
   */
  readonly project?: string | undefined;

  /**
   * Takes events, and removes them once their fate is known. Called once per instance, and once more when there are AI events; the
   * project is that of `recover`.
   */
  source(): QueueSource;

  /**
   * Depth and state for one project, and how many relays take from it. Takes a few round trips at most, and is called every few seconds.
   * Never rejects: an engine that cannot be reached is `down`.
   */
  sample(project: string): Promise<QueueSample>;

  /** Called at boot, before everything else. Rejects if it can never work, such as without its table, but not if its engine is down. */
  check?(): Promise<void>;
}

/**
 * Carries events from the processes that capture them, the pods, to the processes that send them to PostHog, the relays. A process
 * may be both. One object serves one process, and may be given to several instances: they share its connection.
 *
 * No method waits for the engine behind the queue, and none fails because it is down: an application starts, captures events and
 * stops as usual, and events wait where they are. Idle connections must not keep the process alive.
 *
 * What the queue must keep: every event that `send` reported as accepted, until a source removes it, whatever happens to pods and
 * relays; and the order in which events of one order key were accepted.
 */
export interface CaptureQueue extends RelaySource {
  /**
   * The side of a pod: puts batches into the queue. Called once per instance, and once more for its AI events, with another project.
   *
   * `send` resolves when the events survive this process, and after at most a few seconds. It returns `settled` with the ids in
   * `retry` that were not accepted and a `failure` if there are any; `retryable` if none was accepted, also if that is not known
   * (events that are put twice arrive as one row in PostHog); and `refused` if retries do not help, such as without permission.
   * Failures do not depend on the size of a batch. Batches with an equal order key are never sent side by side.
   *
   * `release` closes the connection, unless another user needs it. `send` may be called afterwards, and opens it again.
   *
   * @param project opaque; events of one project are never returned for another one
   */
  sender(project: string, log: QueueLog): Sender;
}

/**
 * A store that others fill. `recover` returns events that no living relay holds, in the order of each key. They belong to this relay
 * until `remove` or `close`, or until the queue gives them to another one because this one seemed dead: see `RecoveryRequest.onGone`
 * and `EventStore.confirm`, which a queue with leases implements.
 *
 * Nothing rejects because the engine is down. Then `recover` returns no events, and a warning that says so with its remedy; `remove`
 * returns at once and is repeated by the source; `close` gives up after a few seconds. `recover` rejects, at boot, only if the queue
 * can never work, such as with another project in `recover` than before.
 */
export type QueueSource = Omit<EventStore, 'append'>;

/** The log of an instance. Lines must contain neither key, nor payload, nor credentials. */
export interface QueueLog {
  /**
   * Something that an operator must know.
   *
   * @param kind lines of one kind appear at most once a minute
   * @param text one sentence, and the remedy
   */
  warn(kind: string, text: string): void;
}

/** A fault of the queue, or of how it is configured. */
export interface QueueProblem extends SendFailure {
  /**
   * `down`: events are not accepted, or are lost. `degraded`: they are delayed, or one more fault would lose them. `note`: a setting
   * that may be intended.
   */
  readonly severity: 'down' | 'degraded' | 'note';
}

/** A queue at one moment. Numbers are null while they are not known. */
export interface QueueSample {
  /** Default: a shared queue. */
  readonly kind?: 'outbox';
  /** `full`: its limit is reached, so pods keep their events. `down`: it does not answer, or refuses. */
  readonly state: 'ok' | 'full' | 'down';
  /** Events of the project in the queue, those that relays hold included. May be an estimate. */
  readonly events: number | null;
  /** Memory or disk space that they take in the engine. */
  readonly bytes: number | null;
  /** Time since the oldest of them was put into the queue. 0 when it is empty. */
  readonly oldestMs: number | null;
  /** Living relays of the project, this process included. */
  readonly relays: number | null;
  /** Partitions of the project that this process takes events from; of an outbox, 1 or 0. 0 on a pod that is no relay. */
  readonly partitionsHeld: number;
  /** The worst first. Empty if all is well. */
  readonly problems: readonly QueueProblem[];
}

/** The sample of a queue that cannot be reached. */
export const UNREACHABLE: QueueSample = {
  state: 'down',
  events: null,
  bytes: null,
  oldestMs: null,
  relays: null,
  partitionsHeld: 0,
  problems: [],
};
