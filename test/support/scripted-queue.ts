import { type Batch, type BatchOutcome, type QueuedEvent, type Sender } from '../../lib/delivery/delivery.js';
import { type Recovery, type RecoveryRequest } from '../../lib/delivery/durability/event-store.js';
import {
  type CaptureQueue,
  type QueueProblem,
  type QueueSample,
  type QueueSource,
} from '../../lib/queue/capture-queue.js';

interface Entry {
  readonly project: string;
  readonly event: QueuedEvent;
  readonly putAt: number;
  owner: object | null;
}

const FAILURE = { message: 'The queue is down', remedy: 'start it' };

/** A shared queue in the memory of a test, which fails on demand. */
export class ScriptedQueue implements CaptureQueue {
  readonly project: string | undefined;
  readonly entries: Entry[] = [];
  /** Batches that pods have sent. */
  readonly batches: Batch[] = [];
  released = 0;
  /** `hang`: sending takes until `wake`. */
  mode: 'ok' | 'down' | 'refused' | 'hang' = 'ok';
  problems: readonly QueueProblem[] = [];
  /** Overrides fields of the samples. */
  sampled: Partial<QueueSample> = {};
  #wake = (): void => undefined;
  #awake = Promise.resolve();
  readonly #sources = new Set<object>();

  constructor(project?: string) {
    this.project = project;
  }

  hang(): void {
    this.mode = 'hang';
    this.#awake = new Promise((resolve) => (this.#wake = resolve));
  }

  wake(): void {
    this.mode = 'ok';
    this.#wake();
  }

  sender(project: string): Sender {
    return {
      send: async (batch): Promise<BatchOutcome> => {
        this.batches.push(batch);
        if (this.mode === 'hang') await this.#awake;
        if (this.mode === 'down') return { kind: 'retryable', failure: FAILURE, code: 'network' };
        if (this.mode === 'refused')
          return {
            kind: 'refused',
            failure: { message: 'NOPERM', remedy: 'give the user its permissions' },
            code: 'NOPERM',
          };
        for (const event of batch.events) this.entries.push({ project, event, putAt: Date.now(), owner: null });
        return { kind: 'settled', rejected: [], retry: [] };
      },
      messages: {
        aborted: 'aborted',
        timedOut: (ms) => `timed out after ${ms} ms`,
        askedAgain: FAILURE,
        refusesEveryEvent: 'refuses every event',
        limited: () => FAILURE,
      },
      release: () => void (this.released += 1),
    };
  }

  source(): QueueSource {
    const owner = {};
    this.#sources.add(owner);
    return {
      lookAgainMs: 5,
      recover: ({ project, maxEvents }: RecoveryRequest): Promise<Recovery> => {
        if (this.mode !== 'ok') return Promise.reject(Object.assign(new Error('down'), { temporary: true }));
        const free = this.entries.filter((entry) => entry.project === project && entry.owner === null);
        const taken = free.slice(0, maxEvents);
        for (const entry of taken) entry.owner = owner;
        return Promise.resolve({ events: taken.map(({ event }) => event), warnings: [] });
      },
      remove: (events) => {
        if (this.mode !== 'ok') return Promise.reject(new Error('down'));
        for (const event of events) {
          const at = this.entries.findIndex((entry) => entry.event === event);
          if (at >= 0) this.entries.splice(at, 1);
        }
        return undefined;
      },
      close: () => {
        for (const entry of this.entries) if (entry.owner === owner) entry.owner = null;
        this.#sources.delete(owner);
        return Promise.resolve();
      },
    };
  }

  sample(project: string): Promise<QueueSample> {
    const own = this.entries.filter((entry) => entry.project === project);
    const [oldest] = own;
    return Promise.resolve({
      state: this.mode === 'ok' ? 'ok' : 'down',
      events: own.length,
      bytes: own.reduce((sum, { event }) => sum + event.bytes, 0),
      oldestMs: oldest ? Date.now() - oldest.putAt : 0,
      relays: this.#sources.size,
      partitionsHeld: this.#sources.size > 0 ? 1 : 0,
      problems: this.problems,
      ...this.sampled,
    });
  }
}
