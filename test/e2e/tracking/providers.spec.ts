import { Controller, Get, Inject, Injectable, Module, type ModuleMetadata, Scope } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { CommandBus, CommandHandler, CqrsModule, type ICommandHandler } from '@nestjs/cqrs';
import { EventEmitter2, EventEmitterModule, OnEvent } from '@nestjs/event-emitter';
import { Cron, Interval, ScheduleModule } from '@nestjs/schedule';
import { Test } from '@nestjs/testing';
import {
  CaptureService,
  PostHogCaptureModule,
  type PostHogCaptureModuleOptions,
  TrackEvent,
} from 'nestjs-posthog-capture';
import { type StoredEvent } from 'nestjs-posthog-capture/testing';
import { defer, firstValueFrom, from, type Observable, Subject, take, timer } from 'rxjs';
import { closeAll, KEY, onClose, startPostHog } from '../../support/harness.js';
import { serve } from '../../support/serve.js';

class Greet {
  constructor(readonly name: string) {}
}

@CommandHandler(Greet)
class GreetHandler implements ICommandHandler<Greet> {
  @TrackEvent('greeted', { properties: ({ args }) => ({ name: (args[0] as Greet).name }) })
  async execute({ name }: Greet): Promise<string> {
    await new Promise(setImmediate);
    return `Hello ${name}`;
  }
}

@Injectable()
class Jobs {
  constructor(private readonly capture: CaptureService) {}

  @Interval(10)
  @TrackEvent('interval')
  interval(): void {
    this.capture.capture({ event: 'within' });
  }

  /** In the opposite order. */
  @TrackEvent('cron')
  @Cron('* * * * * *')
  cron(): void {
    this.capture.context.set({ distinctId: 'cron' });
  }

  @OnEvent('signal')
  @TrackEvent('signalled')
  signalled(name: string): string {
    return name;
  }
}

@Injectable({ scope: Scope.REQUEST })
class PerRequest {
  private readonly id = 'own';

  @TrackEvent('per_request')
  run(): string {
    return this.id;
  }
}

@Controller()
class PerRequestController {
  constructor(@Inject(PerRequest) private readonly perRequest: PerRequest) {}

  @Get()
  get() {
    return this.perRequest.run();
  }
}

@Injectable()
class Sampled {
  @TrackEvent('sampled', { sampleRate: 0.999_999 })
  run(): void {
    // Nothing to do.
  }
}

@Injectable()
class Results {
  @TrackEvent('value', {
    on: 'any',
    properties: ({ result, error }) => ({ result, error: (error as Error | undefined)?.message }),
  })
  run(make: () => unknown): unknown {
    return make();
  }
}

const FACTORY_MADE = Symbol('made by a factory');

afterEach(closeAll);

async function boot(
  metadata: ModuleMetadata,
  options: PostHogCaptureModuleOptions = {},
  place: 'first' | 'last' = 'first',
) {
  const posthog = await startPostHog();
  const lines: string[] = [];
  const say = (line: unknown): void => void lines.push(String(line));
  const logger = { log: say, warn: say, error: say };
  const ours = PostHogCaptureModule.forRoot({ apiKey: KEY, host: posthog.url, flushIntervalMs: 5, logger, ...options });
  const others = metadata.imports ?? [];
  @Module({})
  class AppModule {}
  const imports = place === 'first' ? [ours, ...others] : [...others, ours];
  const app = await NestFactory.createApplicationContext(
    { module: AppModule, ...metadata, imports },
    { logger: false, abortOnError: false },
  );
  onClose(() => app.close());
  const capture = app.get(CaptureService);
  return {
    app,
    posthog,
    capture,
    lines,
    async events(): Promise<readonly StoredEvent[]> {
      await capture.flush();
      return posthog.events;
    },
  };
}

describe.each(['first', 'last'] as const)('providers, with our module imported %s', (place) => {
  const metadata: ModuleMetadata = {
    imports: [ScheduleModule.forRoot(), EventEmitterModule.forRoot(), CqrsModule.forRoot()],
    providers: [Jobs, GreetHandler],
  };

  it('are tracked in schedules, each run anonymous or with the person that it sets', async () => {
    const { posthog } = await boot(metadata, {}, place);
    const named = (name: string) => posthog.events.filter(({ event }) => event === name);
    while (named('cron').length < 1 || named('interval').length < 5) {
      await posthog.waitForEvents(posthog.events.length + 1);
    }
    const intervals = named('interval');
    const within = named('within');
    expect(new Set(intervals.map(({ distinct_id }) => distinct_id)).size).toBe(intervals.length);
    for (const { distinct_id } of intervals) expect(within.map((event) => event.distinct_id)).toContain(distinct_id);
    expect(posthog.events.find(({ event }) => event === 'cron')!.distinct_id).toBe('cron');
  });

  it('are tracked in events and commands, for the user who caused them', async () => {
    const { app, capture, events } = await boot(metadata, {}, place);
    await Promise.all(
      ['ann', 'bob'].map((name) =>
        capture.withContext({ distinctId: name }, async () => {
          await app.get(CommandBus).execute(new Greet(name));
          await app.get(EventEmitter2).emitAsync('signal', name);
        }),
      ),
    );
    const caused = (await events()).filter(({ event }) => event === 'greeted' || event === 'signalled');
    expect(caused.map(({ event, distinct_id }) => `${event} ${distinct_id}`).sort()).toEqual([
      'greeted ann',
      'greeted bob',
      'signalled ann',
      'signalled bob',
    ]);
    for (const { event, distinct_id, properties } of caused)
      if (event === 'greeted') expect(properties.name).toBe(distinct_id);
  });
});

describe('a provider', () => {
  const failure = new Error('no');
  const cases: [string, () => unknown, (result: unknown) => unknown, string, unknown][] = [
    ['value', () => 7, (result) => result, 'success', 7],
    ['promise', () => Promise.resolve(7), (result) => result, 'success', 7],
    ['observable', () => from([1, 7]), (result) => result, 'success', 7],
  ];
  it.each(cases)('is tracked with a %s', async (_name, make, unwrap, outcome, expected) => {
    const { app, events } = await boot({ providers: [Results] });
    const result = unwrap(app.get(Results).run(make));
    if (typeof result === 'object' && result !== null && 'subscribe' in result) {
      await new Promise<void>((complete) => (result as Observable<unknown>).subscribe({ complete }));
    } else await result;
    const captured = await events();
    expect(captured).toHaveLength(1);
    expect(captured[0]!.properties).toMatchObject({ $outcome: outcome, result: expected, $transport: 'provider' });
  });

  it.each([
    [
      'throws',
      () => {
        throw failure;
      },
    ],
    ['rejects', () => Promise.reject(failure)],
    [
      'errs',
      () =>
        firstValueFrom(
          defer(() => {
            throw failure;
          }),
        ),
    ],
  ])('that %s is tracked, and its caller gets the original error', async (_name, make) => {
    const { app, events } = await boot({ providers: [Results] });
    const results = app.get(Results);
    await expect((async () => await results.run(make))()).rejects.toBe(failure);
    const captured = await events();
    expect(captured.map(({ properties }) => [properties.$outcome, properties.error])).toEqual([['error', 'no']]);
  });

  it('returns a subject, a lazy query or a promise with a method unchanged', async () => {
    const { app, events } = await boot({ providers: [Results] });
    const results = app.get(Results);
    const subject = new Subject();
    expect(results.run(() => subject)).toBe(subject);
    let runs = 0;
    const query = {
      then(resolve: (value: number) => void) {
        runs += 1;
        resolve(runs);
      },
    };
    expect(results.run(() => query)).toBe(query);
    expect(runs).toBe(0);
    expect(await (query as unknown as Promise<number>)).toBe(1);
    const cancellable = Object.assign(Promise.resolve(3), { cancel: () => 'cancelled' });
    expect(results.run(() => cancellable)).toBe(cancellable);
    await cancellable;
    expect((await events()).map(({ properties }) => properties.$outcome)).toEqual(['success', 'success', 'success']);
  });

  it('counts an observable unsubscribed early as success after its first value, and as aborted before', async () => {
    const { app, events } = await boot({ providers: [Results] });
    const results = app.get(Results);
    await firstValueFrom((results.run(() => timer(0, 1)) as Observable<number>).pipe(take(1)));
    (results.run(() => timer(60_000)) as Observable<number>).subscribe().unsubscribe();
    results.run(() => timer(0));
    expect((await events()).map(({ properties }) => properties.$outcome)).toEqual(['success', 'aborted']);
  });

  it('is tracked when request-scoped or created by a factory', async () => {
    const { url, events, app } = await serve({
      controllers: [PerRequestController],
      providers: [PerRequest, { provide: FACTORY_MADE, useFactory: () => new Results() }],
    });
    expect(await (await fetch(url)).text()).toBe('own');
    app.get<Results>(FACTORY_MADE).run(() => 1);
    expect((await events()).map(({ event }) => event)).toEqual(['per_request', 'value']);
    expect(Object.keys(app.get<Results>(FACTORY_MADE))).toEqual([]);
  });

  it('belongs to its application when several run in one process', async () => {
    const [one, two] = [await boot({ providers: [Results] }), await boot({ providers: [Results] })];
    one.app.get(Results).run(() => 'one');
    two.app.get(Results).run(() => 'two');
    expect((await one.events()).map(({ properties }) => properties.result)).toEqual(['one']);
    expect((await two.events()).map(({ properties }) => properties.result)).toEqual(['two']);
    new Results().run(() => 'nobody');
    expect(one.capture.stats().captured + two.capture.stats().captured).toBe(2);
  });

  it('captures with a stand-in for the service', async () => {
    const captured: unknown[] = [];
    const module = await Test.createTestingModule({
      imports: [PostHogCaptureModule.forRoot({ apiKey: KEY })],
      providers: [Results, Sampled],
    })
      .overrideProvider(CaptureService)
      .useValue({ capture: (event: unknown) => captured.push(event) })
      .compile();
    await module.init();
    module.get(Results).run(() => 5);
    module.get(Sampled).run();
    await module.close();
    expect(captured).toEqual([
      {
        event: 'value',
        properties: {
          result: 5,
          error: undefined,
          $outcome: 'success',
          $duration_ms: expect.any(Number) as number,
          $transport: 'provider',
        },
      },
      expect.objectContaining({ event: 'sampled' }),
    ]);
  });
});
