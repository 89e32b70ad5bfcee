import { ConflictException, Injectable } from '@nestjs/common';
import { CaptureService, TrackEvent } from 'nestjs-posthog-capture';
import { CaptureOutbox } from 'nestjs-posthog-capture/outbox';
import { DataSource, Entity, type EntityManager, PrimaryColumn } from 'typeorm';
import { oneAtATime } from './database.js';

@Entity('orders')
export class Order {
  @PrimaryColumn('text')
  id!: string;
}

/** TypeORM. */
@Injectable()
export class OrdersService {
  readonly #next = oneAtATime();

  constructor(
    private readonly dataSource: DataSource,
    private readonly outbox: CaptureOutbox,
    private readonly capture: CaptureService,
  ) {}

  async place(id: string, isSoldOut: boolean): Promise<void> {
    await this.#next(() =>
      this.dataSource.transaction((manager) =>
        this.outbox.run(manager, async () => {
          await manager.insert(Order, { id });
          this.capture.capture({ event: 'order_placed', distinctId: `customer_${id}`, properties: { id } });
          await this.reserve(manager, id);
          // Rolls back the order and both events.
          if (isSoldOut) throw new ConflictException('sold out');
        }),
      ),
    );
  }

  @TrackEvent('stock_reserved', { distinctId: ({ args }) => `customer_${String(args[1])}` })
  async reserve(manager: EntityManager, id: string): Promise<number> {
    return manager.countBy(Order, { id });
  }
}
