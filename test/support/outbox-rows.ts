import { randomUUID } from 'node:crypto';
import { type QueuedEvent } from 'nestjs-posthog-capture';
import { sqlClientOf } from '../../lib/outbox/clients/sql-client.js';
import { insertOf, outboxSql, type OutboxDialect, outboxTables } from '../../lib/outbox/sql.js';
import { aiProjectOf } from '../../lib/queue/capture-queue.js';
import { isAiEvent } from '../../lib/wire/formats.js';
import { projectIdOf } from '../../lib/wire/ingestion-host.js';
import { CANARY, KEY } from './secrets.js';

type Rows = readonly Readonly<Record<string, unknown>>[];

/** The tables of an outbox, in a database that `handle` is a client of. */
export class OutboxRows {
  readonly #dialect: OutboxDialect;
  readonly #handle: object;

  constructor(dialect: OutboxDialect, handle: object) {
    this.#dialect = dialect;
    this.#handle = handle;
  }

  async create(): Promise<void> {
    for (const text of outboxSql(this.#dialect).up) await this.run(text);
  }

  async drop(): Promise<void> {
    for (const text of outboxSql(this.#dialect).down) await this.run(text);
  }

  async run(text: string): Promise<void> {
    await sqlClientOf(this.#handle, this.#dialect)?.write({ text, values: [] });
  }

  async read(text: string): Promise<Rows> {
    return (await sqlClientOf(this.#handle, this.#dialect)?.read({ text, values: [] })) ?? [];
  }

  /** Ids of the events in the table, in the order of their inserts. */
  async ids(): Promise<string[]> {
    const rows = await this.read('SELECT uuid FROM posthog_outbox ORDER BY seq');
    return rows.map(({ uuid }) => String(uuid));
  }

  /** @param tx a transaction. Default: each call commits */
  async put(project: string, events: readonly QueuedEvent[], tx = this.#handle): Promise<void> {
    const projectOf = (event: QueuedEvent): string => (isAiEvent(event) ? aiProjectOf(project) : project);
    await sqlClientOf(tx, this.#dialect)?.write(insertOf(outboxTables(this.#dialect), projectOf, events));
  }
}

/** The project of KEY at a host. */
export const projectAt = (host: string): string => projectIdOf(host, KEY);

/** An event as it is captured, which PostHog accepts. */
export function capturedEvent(index: number, person = `person_${index % 3}`): QueuedEvent {
  const uuid = randomUUID();
  const payload = JSON.stringify({
    event: `event_${index}`,
    distinct_id: person,
    properties: { index, canary: CANARY },
    timestamp: new Date().toISOString(),
    uuid,
  });
  return {
    id: uuid,
    name: `event_${index}`,
    orderKey: person,
    format: 'v0',
    payload,
    bytes: Buffer.byteLength(payload),
    capturedAt: Date.now(),
  };
}

export const capturedEvents = (count: number, from = 0): QueuedEvent[] =>
  Array.from({ length: count }, (_, index) => capturedEvent(from + index));
