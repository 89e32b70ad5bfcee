import { Controller, Get, Module, Param, Post, Query } from '@nestjs/common';
import LibSql from 'libsql';
import { CaptureService, PostHogCaptureModule } from 'nestjs-posthog-capture';
import { PostHogOutboxModule, sqlOutbox } from 'nestjs-posthog-capture/outbox';
import { PostHogRelayModule } from 'nestjs-posthog-capture/relay';
import { DataSource } from 'typeorm';
import { CartsService } from './carts.service.js';
import { connect, path } from './database.js';
import { Order, OrdersService } from './orders.service.js';

@Controller()
class ShopController {
  constructor(
    private readonly orders: OrdersService,
    private readonly carts: CartsService,
    private readonly capture: CaptureService,
  ) {}

  @Post('orders/:id')
  async order(@Param('id') id: string, @Query('fail') fail?: string) {
    await this.orders.place(id, fail !== undefined);
    return { id };
  }

  @Post('carts/:id')
  async cart(@Param('id') id: string, @Query('fail') fail?: string) {
    await this.carts.open(id, fail !== undefined);
    return { id };
  }

  @Get('stats')
  stats() {
    const { captured, delivered, droppedByReason } = this.capture.stats();
    return { captured, delivered, droppedByReason };
  }
}

@Module({
  imports: [
    PostHogCaptureModule.forRoot(),
    PostHogOutboxModule.forRoot({ dialect: 'sqlite' }),
    PostHogRelayModule.forRoot({ source: sqlOutbox({ run: connect(), dialect: 'sqlite' }) }),
  ],
  controllers: [ShopController],
  providers: [
    OrdersService,
    CartsService,
    {
      provide: DataSource,
      useFactory: () =>
        new DataSource({ type: 'better-sqlite3', driver: LibSql, database: path, entities: [Order] }).initialize(),
    },
  ],
})
export class AppModule {}
