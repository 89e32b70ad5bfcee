import { type QueueProblem, type QueueSample, UNREACHABLE } from '../queue/capture-queue.js';
import { type DatabaseProblem, describeDatabaseError } from './database-errors.js';
import { type Database } from './database.js';
import { type OutboxSource } from './outbox-source.js';
import { type RelayStatements } from './relay-statements.js';

/** Rows that are counted. */
const MAX_COUNTED = 100_001;
/** Interval at which a large backlog is counted, which takes time. */
const COUNT_MS = 30_000;
const LARGE = 10_000;

/** The state that only this process knows. */
export interface OwnState {
  readonly isActive: boolean;
  readonly failure: DatabaseProblem | null;
  readonly damage: OutboxSource['damage'];
}

interface Depth {
  readonly events: number;
  /** Epoch milliseconds; null if the outbox is empty. */
  readonly oldest: number | null;
}

/** Measures the outbox of one project. */
export class OutboxSampler {
  readonly #database: Database;
  readonly #statements: RelayStatements;
  #last = DOWN;
  #depth: Depth | null = null;
  #countedAt = -Infinity;

  constructor(database: Database, statements: RelayStatements) {
    this.#database = database;
    this.#statements = statements;
  }

  get last(): QueueSample {
    return this.#last;
  }

  /** Never rejects. */
  async sample(own: () => OwnState): Promise<QueueSample> {
    try {
      this.#last = await this.#measure(own);
    } catch (error) {
      const problem = describeDatabaseError(error, this.#statements.tables);
      this.#last = { ...DOWN, partitionsHeld: heldBy(own()), problems: [problemOf(problem)] };
    }
    return this.#last;
  }

  async #measure(own: () => OwnState): Promise<QueueSample> {
    const { events, oldest } = await this.#count();
    const [lease] = await this.#database.read(this.#statements.holder);
    const [newer] = await this.#database.read(this.#statements.newer);
    const [damaged] = await this.#database.read(this.#statements.damaged);
    const { failure, damage } = own();
    const problems = [
      ...(failure ? [problemOf(failure)] : []),
      ...(damage ? [problemOfDamage(damage)] : []),
      ...(newer ? [NEWER] : []),
      ...(damaged ? [DAMAGED] : []),
    ];
    return {
      kind: 'outbox',
      state: failure || damage?.isBlocking ? 'down' : 'ok',
      events,
      bytes: null,
      oldestMs: oldest === null ? 0 : Math.max(0, Date.now() - oldest),
      relays: Number(lease?.ms ?? 0) > 0 ? 1 : 0,
      partitionsHeld: heldBy(own()),
      problems,
    };
  }

  async #count(): Promise<Depth> {
    const now = performance.now();
    if (this.#depth && this.#depth.events > LARGE && now - this.#countedAt < COUNT_MS) return this.#depth;
    const [row] = await this.#database.read(this.#statements.depth(MAX_COUNTED));
    const events = Number(row?.events ?? 0);
    this.#depth = { events, oldest: events === 0 ? null : Number(row?.oldest) };
    this.#countedAt = now;
    return this.#depth;
  }
}

const heldBy = ({ isActive }: OwnState): number => (isActive ? 1 : 0);

const DOWN: QueueSample = { ...UNREACHABLE, kind: 'outbox' };

const NEWER: QueueProblem = {
  severity: 'degraded',
  message: 'The outbox contains events of a newer version of nestjs-posthog-capture',
  remedy: 'update the relays, which must be updated before the pods',
};

const DAMAGED: QueueProblem = {
  severity: 'note',
  message: 'The outbox contains rows that cannot be read, with "+damaged" at the end of their project',
  remedy: 'look at them, then delete them',
};

const problemOfDamage = ({ problem, isBlocking }: NonNullable<OutboxSource['damage']>): QueueProblem => ({
  severity: isBlocking ? 'down' : 'degraded',
  message:
    `The outbox contains rows that cannot be read, and the relay could not set them aside: ${problem.message}` +
    (isBlocking ? '. There are so many that it has stopped taking events' : ''),
  remedy: problem.remedy,
});

const problemOf = ({ kind, message, remedy }: DatabaseProblem): QueueProblem => ({
  severity: kind === 'retryable' ? 'degraded' : 'down',
  message,
  remedy,
});
