import { type QueuedEvent } from '../delivery.js';
import { type EventStore, type Recovery, type RecoveryRequest } from '../durability/event-store.js';

const NOTHING: Recovery = { events: [], warnings: [] };

type Listeners = Pick<RecoveryRequest, 'onLost' | 'onGone'>;

/**
 * Divides a store between two pipelines, by event. The first one reads it. Events for the second one wait here, in memory, and
 * nothing more is read until the second one has taken it: so a receiver that accepts nothing cannot fill the memory.
 */
export class SharedStore {
  readonly first: EventStore;
  readonly #store: EventStore;
  readonly #isSecond: (event: QueuedEvent) => boolean;
  readonly #onWaiting: () => void;
  #waiting: QueuedEvent[] = [];
  #ofFirst: Listeners = {};
  #ofSecond: Listeners = {};
  #users = 1;

  readonly #onLost = (error: unknown, events: readonly QueuedEvent[]): void => {
    const [first, second] = this.#divide(events);
    if (first.length > 0) this.#ofFirst.onLost?.(error, first);
    if (second.length > 0) this.#ofSecond.onLost?.(error, second);
  };

  readonly #onGone = (events: readonly QueuedEvent[]): void => {
    const [first, second] = this.#divide(events);
    const gone = new Set(second);
    this.#waiting = this.#waiting.filter((event) => !gone.has(event));
    if (first.length > 0) this.#ofFirst.onGone?.(first);
    if (second.length > 0) this.#ofSecond.onGone?.(second);
  };

  /**
   * @param isSecond true for events of the second pipeline
   * @param onWaiting called when events wait for it
   */
  constructor(store: EventStore, isSecond: (event: QueuedEvent) => boolean, onWaiting: () => void) {
    this.#store = store;
    this.#isSecond = isSecond;
    this.#onWaiting = onWaiting;
    this.first = this.#part((request) => this.#read(request));
    // Read before each wait.
    Object.defineProperty(this.first, 'lookAgainMs', { get: () => store.lookAgainMs });
  }

  /** Call once. Returns null if the store is closed. */
  openSecond(): EventStore | null {
    if (this.#users === 0) return null;
    this.#users += 1;
    return this.#part((request) => Promise.resolve(this.#take(request)));
  }

  #part(recover: EventStore['recover']): EventStore {
    const store = this.#store;
    return {
      recover,
      append: (events) => store.append(events),
      remove: (events) => store.remove(events),
      ...(store.confirm && { confirm: (events: readonly QueuedEvent[]) => store.confirm?.(events) }),
      ...(store.commit && { commit: () => store.commit?.() }),
      close: () => this.#close(),
    };
  }

  async #read(request: RecoveryRequest): Promise<Recovery> {
    this.#ofFirst = request;
    if (this.#waiting.length > 0) return NOTHING;
    const {
      events,
      warnings,
      more = false,
    } = await this.#store.recover({
      ...request,
      onLost: this.#onLost,
      onGone: this.#onGone,
    });
    const [first, second] = this.#divide(events);
    if (second.length === 0) return { events, warnings, more };
    this.#waiting.push(...second);
    this.#onWaiting();
    // There may be others behind them.
    return { events: first, warnings, more: true };
  }

  #take({ maxEvents, maxBytes, ...listeners }: RecoveryRequest): Recovery {
    this.#ofSecond = listeners;
    let bytes = 0;
    const end = this.#waiting.findIndex((event, index) => {
      bytes += event.bytes;
      return index >= maxEvents || (bytes > maxBytes && index > 0);
    });
    const events = this.#waiting.splice(0, end < 0 ? this.#waiting.length : end);
    return { events, warnings: [] };
  }

  async #close(): Promise<void> {
    this.#users -= 1;
    if (this.#users === 0) await this.#store.close();
  }

  #divide(events: readonly QueuedEvent[]): readonly [QueuedEvent[], QueuedEvent[]] {
    return [events.filter((event) => !this.#isSecond(event)), events.filter((event) => this.#isSecond(event))];
  }
}
