import { readFileSync } from 'node:fs';
import { Controller, Get, Injectable, Module, type ModuleMetadata, Scope } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  CommandBus,
  CommandHandler,
  CqrsModule,
  EventBus,
  EventsHandler,
  type IEvent,
  ofType,
  Saga,
  UnhandledExceptionBus,
} from '@nestjs/cqrs';
import { EventEmitter2, EventEmitterModule, OnEvent } from '@nestjs/event-emitter';
import { Cron, Interval, ScheduleModule, SchedulerRegistry, Timeout } from '@nestjs/schedule';
import {
  attachContext,
  CaptureService,
  PostHogCaptureModule,
  type PostHogCaptureModuleOptions,
  RestoreContext,
  TrackEvent,
} from 'nestjs-posthog-capture';
import { map, type Observable } from 'rxjs';
import { closeAll, KEY, onClose, startPostHog } from '../../support/harness.js';
import { serve } from '../../support/serve.js';

afterEach(closeAll);

const core = JSON.parse(readFileSync('node_modules/@nestjs/core/package.json', 'utf8')) as { version: string };
const keepsSagaErrors = !core.version.startsWith('10.');

const messageOf = (error: unknown): string => (error as Error).message;

const later = (): Promise<void> => new Promise(setImmediate);

async function start(metadata: ModuleMetadata, options: PostHogCaptureModuleOptions = { exceptions: true }) {
  const posthog = await startPostHog();
  const module = PostHogCaptureModule.forRoot({ apiKey: KEY, host: posthog.url, ...options });
  @Module({ ...metadata, imports: [...(metadata.imports ?? []), module] })
  class AppModule {}
  const logged: string[] = [];
  const error = (...message: unknown[]): void => void logged.push(message.map(String).join(' '));
  const silent = (): void => undefined;
  const app = await NestFactory.createApplicationContext(AppModule, {
    logger: { log: silent, warn: silent, error },
    abortOnError: false,
  });
  onClose(() => app.close());
  await app.init();
  const capture = app.get(CaptureService);
  /** The captured errors: handler, message, source and person. */
  const caught = async () => {
    await capture.flush();
    return posthog.events
      .filter(({ event }) => event === '$exception')
      .map(({ distinct_id, properties }) => ({
        handler: properties.$handler,
        message: properties.$exception_message,
        source: properties.$exception_source,
        person: properties.$process_person_profile === false ? null : distinct_id,
        properties,
      }));
  };
  return { app, capture, posthog, logged, caught };
}

const TASK = { type: 'task', handled: false };

describe('schedules', () => {
  const runs: string[] = [];

  @Injectable()
  class Schedules {
    @Interval('interval', 3_600_000)
    async interval() {
      await later();
      throw new Error('of an interval');
    }

    @Timeout('timeout', 1)
    timeout() {
      runs.push('timeout');
      throw new Error('of a timeout');
    }

    @Cron('0 0 1 1 *', { name: 'cron' })
    @TrackEvent('cron', { on: 'any' })
    async cron() {
      this.capture.context.set({ distinctId: 'cron person' });
      await later();
      throw new Error('of a cron job');
    }

    @Cron('0 0 1 1 *', { name: 'fine' })
    async fine() {
      await later();
      return 5;
    }

    constructor(private readonly capture: CaptureService) {}
  }

  @Controller()
  class Caller {
    constructor(private readonly schedules: Schedules) {}

    @Get()
    async get() {
      return await this.schedules.interval().catch(messageOf);
    }
  }

  it.each(['first', 'last'])('are captured and logged, with ScheduleModule imported %s', async (place) => {
    const schedule = ScheduleModule.forRoot();
    @Module({ imports: [ScheduleModule.forRoot()] })
    class Other {}
    const { app, caught, logged, posthog } = await start({
      imports: place === 'first' ? [schedule] : [Other],
      providers: [Schedules],
    });
    const registry = app.get(SchedulerRegistry, { strict: false });
    for (const name of ['cron', 'fine']) await registry.getCronJob(name).fireOnTick();
    await posthog.waitForEvents(3);
    const errors = await caught();
    expect(errors.map(({ handler, message, source, person }) => [handler, message, source, person]).sort()).toEqual([
      ['Schedules.cron', 'of a cron job', 'nestjs.schedule', 'cron person'],
      ['Schedules.timeout', 'of a timeout', 'nestjs.schedule', null],
    ]);
    expect(errors[0]!.properties).toMatchObject({
      $exception_level: 'error',
      $transport: 'provider',
      $exception_list: [{ mechanism: { ...TASK, synthetic: false } }],
    });
    expect(logged.filter((line) => line.includes('of a '))).toHaveLength(2);
    expect(posthog.violations).toEqual([]);
  });

  it('a request that calls the method of a schedule gets its error', async () => {
    const { url, events } = await serve({
      imports: [ScheduleModule.forRoot()],
      providers: [Schedules],
      controllers: [Caller],
      posthog: { exceptions: true },
    });
    expect(await (await fetch(url)).text()).toBe('of an interval');
    expect((await events('$exception')).map(({ properties }) => properties.$handler)).not.toContain(
      'Schedules.interval',
    );
  });
});

describe('event handlers', () => {
  class Base {
    @OnEvent('inherited')
    inherited(): void {
      throw new Error('inherited');
    }
  }

  @Injectable()
  class Listener extends Base {
    constructor(private readonly capture: CaptureService) {
      super();
    }

    @OnEvent('sync')
    sync(): void {
      throw new Error('sync');
    }

    @OnEvent('async')
    async async(): Promise<void> {
      await later();
      throw new Error('async');
    }

    @OnEvent('text')
    text(): never {
      const thrown: unknown = 'only text';
      throw thrown;
    }

    @OnEvent('loud', { suppressErrors: false })
    async loud(): Promise<void> {
      await later();
      throw new Error('loud');
    }

    @OnEvent('restored')
    @RestoreContext()
    async restored({ name }: { name: string }): Promise<void> {
      this.capture.context.set({ properties: { name } });
      await later();
      throw new Error('restored');
    }

    @OnEvent('restored')
    async notRestored(): Promise<void> {
      await later();
      throw new Error('not restored');
    }
  }

  @Injectable({ scope: Scope.REQUEST })
  class PerEvent {
    readonly #own = 'own';

    @OnEvent('scoped')
    async scoped(): Promise<void> {
      await later();
      throw new Error(this.#own);
    }
  }

  /** A new emitter for each application. */
  const metadata = () => ({ imports: [EventEmitterModule.forRoot()], providers: [Listener, PerEvent] });

  it('are captured with the person of the emitter, and logged', async () => {
    const { app, capture, caught, logged } = await start(metadata());
    const emitter = app.get(EventEmitter2);
    for (const name of ['sync', 'async', 'text', 'inherited', 'scoped'])
      await capture.withContext({ distinctId: 'ann' }, () => emitter.emitAsync(name, {}));
    const errors = await caught();
    expect(errors.map(({ handler, message, source, person }) => [handler, message, source, person])).toEqual([
      ['Listener.sync', 'sync', 'nestjs.event', 'ann'],
      ['Listener.async', 'async', 'nestjs.event', 'ann'],
      ['Listener.text', 'only text', 'nestjs.event', 'ann'],
      ['Listener.inherited', 'inherited', 'nestjs.event', 'ann'],
      ['PerEvent.scoped', 'own', 'nestjs.event', 'ann'],
    ]);
    for (const { properties } of errors) expect(properties.$exception_list).toMatchObject([{ mechanism: TASK }]);
    expect(logged).toHaveLength(5);
  });

  it('an error that reaches the emitter is left to it', async () => {
    const { app, caught } = await start(metadata());
    await expect(app.get(EventEmitter2).emitAsync('loud', {})).rejects.toThrow('loud');
    expect(await caught()).toEqual([]);
  });

  it('are captured with the person that the event carries', async () => {
    const { app, capture, caught } = await start(metadata());
    const payload = capture.withContext({ distinctId: 'ann' }, () => attachContext(capture, { name: 'n' }));
    await capture.withContext({ distinctId: 'bob' }, () => app.get(EventEmitter2).emitAsync('restored', payload));
    const errors = await caught();
    expect(errors.map(({ message, person, properties: { name } }) => [message, person, name]).sort()).toEqual([
      ['not restored', 'bob', undefined],
      ['restored', 'ann', 'n'],
    ]);
  });

  it('go to the application that has the handler, and only if it wants them', async () => {
    const wants = await start(metadata());
    const other = await start(metadata(), {});
    const third = await start(metadata());
    for (const { app } of [wants, other, third]) await app.get(EventEmitter2).emitAsync('sync', {});
    expect(await wants.caught()).toHaveLength(1);
    expect(await other.caught()).toHaveLength(0);
    expect(await third.caught()).toHaveLength(1);
  });

  it('keep name, length, metadata and own properties', async () => {
    await start(metadata());
    const { restored, async } = Listener.prototype;
    expect([restored.name, restored.length, async.name, async.length]).toEqual(['restored', 1, 'async', 0]);
    expect(Reflect.getMetadata('EVENT_LISTENER_METADATA', async)).toEqual([{ event: 'async', options: undefined }]);
    expect(Object.keys(async)).toEqual([]);
  });
});

describe('CQRS', () => {
  class Placed implements IEvent {
    readonly orderId = 1;
  }
  class Shipped implements IEvent {
    readonly orderId = 2;
  }
  class Ship {
    readonly orderId = 3;
  }
  class Stop implements IEvent {
    readonly orderId = 4;
  }

  @EventsHandler(Placed)
  class PlacedHandler {
    async handle() {
      await later();
      throw new Error('of a handler');
    }
  }

  @CommandHandler(Ship)
  class ShipHandler {
    async execute(): Promise<never> {
      await later();
      throw new Error('of a command');
    }
  }

  @Injectable()
  class Sagas {
    @Saga()
    readonly shipped = (events: Observable<IEvent>): Observable<Ship> =>
      events.pipe(
        ofType(Shipped),
        map(() => new Ship()),
      );

    @Saga()
    stopped(events: Observable<IEvent>): Observable<Ship> {
      return events.pipe(
        ofType(Stop),
        map(() => {
          throw new Error('of a saga');
        }),
      );
    }
  }

  @Controller()
  class Orders {
    constructor(private readonly commands: CommandBus) {}

    @Get('handled')
    handled() {
      return this.commands.execute(new Ship()).catch(messageOf);
    }

    @Get('failed')
    failed() {
      return this.commands.execute(new Ship());
    }
  }

  const metadata = { imports: [CqrsModule], providers: [PlacedHandler, ShipHandler, Sagas] };

  it('the errors of event handlers, sagas and their commands are captured', async () => {
    const { app, capture, caught, logged } = await start(metadata);
    const published: unknown[] = [];
    app.get(UnhandledExceptionBus).subscribe(({ exception }) => void published.push(exception));
    // Before version 11, the error of a saga itself ends the process.
    for (const event of [new Placed(), new Shipped(), ...(keepsSagaErrors ? [new Stop()] : [])]) {
      const count = published.length;
      capture.withContext({ distinctId: 'ann' }, () => void app.get(EventBus).publish(event));
      while (published.length === count) await later();
    }
    const errors = await caught();
    expect(errors.map(({ handler, message, source, person }) => [handler, message, source, person])).toEqual([
      ['PlacedHandler.handle', 'of a handler', 'nestjs.cqrs', 'ann'],
      ['ShipHandler.execute', 'of a command', 'nestjs.cqrs', 'ann'],
      ...(keepsSagaErrors ? [['Sagas.stopped', 'of a saga', 'nestjs.cqrs', 'ann']] : []),
    ]);
    for (const { properties } of errors) expect(properties.$exception_list).toMatchObject([{ mechanism: TASK }]);
    expect(logged).toHaveLength(errors.length);
  });

  it('the error of a command belongs to its caller', async () => {
    const { url, events } = await serve({
      ...metadata,
      controllers: [Orders],
      posthog: { exceptions: true },
    });
    expect(await (await fetch(`${url}/handled`)).text()).toBe('of a command');
    expect(await events('$exception')).toEqual([]);
    expect((await fetch(`${url}/failed`)).status).toBe(500);
    const errors = await events('$exception');
    expect(errors.map(({ properties }) => [properties.$exception_source, properties.$handler])).toEqual([
      ['nestjs.http', 'Orders.failed'],
    ]);
  });
});
