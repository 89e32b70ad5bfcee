import { ConflictException, Injectable } from '@nestjs/common';
import { drizzle } from 'drizzle-orm/sqlite-proxy';
import { sqliteTable, text } from 'drizzle-orm/sqlite-core';
import { CaptureService } from 'nestjs-posthog-capture';
import { CaptureOutbox } from 'nestjs-posthog-capture/outbox';
import { connect, oneAtATime } from './database.js';

const carts = sqliteTable('carts', { id: text().primaryKey() });

/** Drizzle. */
@Injectable()
export class CartsService {
  readonly #next = oneAtATime();
  readonly #connection = connect();
  readonly #db = drizzle((sql, values: unknown[], method) => {
    const statement = this.#connection.prepare(sql);
    const rows = method === 'run' ? [statement.run(...values)] : statement.raw().all(...values);
    return Promise.resolve({ rows });
  });

  constructor(
    private readonly outbox: CaptureOutbox,
    private readonly capture: CaptureService,
  ) {}

  /** Opens the transaction with the outbox, which then sees a COMMIT that fails. */
  async open(id: string, isRefused: boolean): Promise<void> {
    await this.#next(() =>
      this.outbox.transaction(this.#db, async (tx) => {
        await tx.insert(carts).values({ id });
        this.capture.capture({ event: 'cart_opened', distinctId: `customer_${id}`, properties: { id } });
        if (isRefused) throw new ConflictException('refused');
      }),
    );
  }
}
