// An application with @Transactional() of nestjs-cls, which is CommonJS and cannot be loaded by the tests.
// Arguments: the folder of the compiled library, and the connection to PostgreSQL as JSON. Prints the results as JSON.
import 'reflect-metadata';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ClsPluginTransactional, Transactional, TransactionHost } from '@nestjs-cls/transactional';
import { TransactionalAdapterTypeOrm } from '@nestjs-cls/transactional-adapter-typeorm';
import { ClsModule } from 'nestjs-cls';
import { DataSource } from 'typeorm';

const [, , folder, connection] = process.argv;
const load = (path) => import(pathToFileURL(join(folder, path)).href);
const { CaptureService, PostHogCaptureModule } = await load('index.js');
const { CaptureOutbox, PostHogOutboxModule } = await load('outbox/index.js');

const source = await new DataSource({ type: 'postgres', ...JSON.parse(connection) }).initialize();

class Orders {
  constructor(outbox, capture, host) {
    Object.assign(this, { outbox, capture, host });
  }

  place(name, fails) {
    return this.outbox.run(this.host.tx, async () => {
      this.capture.capture({ event: name, distinctId: 'a' });
      await this.outbox.run(this.host, () => this.capture.capture({ event: `${name}_2`, distinctId: 'a' }));
      if (fails) throw new Error('failed');
    });
  }

  placeOutside() {
    return this.outbox.run(this.host, () => undefined);
  }

  placeInOwn() {
    return this.outbox.transaction(this.host, async (manager) => {
      this.capture.capture({ event: manager === this.host.tx ? 'own' : 'of another transaction', distinctId: 'a' });
    });
  }
}
const place = Object.getOwnPropertyDescriptor(Orders.prototype, 'place');
Object.defineProperty(Orders.prototype, 'place', Transactional()(Orders.prototype, 'place', place) ?? place);

class DatabaseModule {}
Module({ providers: [{ provide: DataSource, useValue: source }], exports: [DataSource] })(DatabaseModule);
class Application {}
Module({
  imports: [
    PostHogCaptureModule.forRoot({
      apiKey: 'phc_unused',
      host: 'http://127.0.0.1:9',
      shutdownTimeoutMs: 0,
    }),
    PostHogOutboxModule.forRoot({ dialect: 'postgres' }),
    ClsModule.forRoot({
      plugins: [
        new ClsPluginTransactional({
          imports: [DatabaseModule],
          adapter: new TransactionalAdapterTypeOrm({ dataSourceToken: DataSource }),
        }),
      ],
    }),
  ],
  providers: [
    {
      provide: Orders,
      inject: [CaptureOutbox, CaptureService, TransactionHost],
      useFactory: (...parts) => new Orders(...parts),
    },
  ],
})(Application);

const app = await NestFactory.createApplicationContext(Application, { logger: false, abortOnError: false });
const orders = app.get(Orders);
const errorOf = (work) => work.then(() => null).catch((error) => error.message);
await orders.place('placed');
const undone = await errorOf(orders.place('undone', true));
const outside = await errorOf(orders.placeOutside());
await orders.placeInOwn();
const { captured, delivered, dropped, pending } = app.get(CaptureService).stats();
console.log(JSON.stringify({ undone, outside, stats: { captured, delivered, dropped, pending } }));
await app.close();
await source.destroy();
