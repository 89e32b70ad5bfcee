import { type EventStore, type QueuedEvent, type Recovery, type RecoveryRequest } from 'nestjs-posthog-capture';

/** Shared by stores that simulate several processes with one disk. */
export class SharedMemory {
  readonly events = new Map<QueuedEvent, { readonly project: string; owner: MemoryEventStore | null }>();
}

/** A minimal implementation of the store contract. */
export class MemoryEventStore implements EventStore {
  readonly #memory: SharedMemory;
  #project = '';

  constructor(memory = new SharedMemory()) {
    this.#memory = memory;
  }

  recover({ project, maxEvents, maxBytes }: RecoveryRequest): Promise<Recovery> {
    this.#project = project;
    const events: QueuedEvent[] = [];
    let bytes = 0;
    for (const [event, record] of this.#memory.events) {
      if (record.owner !== null || record.project !== project) continue;
      bytes += event.bytes;
      if (events.length >= maxEvents || (bytes > maxBytes && events.length > 0)) break;
      record.owner = this;
      events.push(event);
    }
    return Promise.resolve({ events, warnings: [] });
  }

  append(events: readonly QueuedEvent[]): undefined {
    for (const event of events) {
      if (!this.#memory.events.has(event)) this.#memory.events.set(event, { project: this.#project, owner: this });
    }
  }

  remove(events: readonly QueuedEvent[]): undefined {
    for (const event of events) this.#memory.events.delete(event);
  }

  close(): Promise<void> {
    for (const record of this.#memory.events.values()) if (record.owner === this) record.owner = null;
    return Promise.resolve();
  }
}
