import { Injectable, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { CqrsModule, EventBus, EventsHandler, type IEventHandler } from '@nestjs/cqrs';
import { EventEmitter2, EventEmitterModule, OnEvent } from '@nestjs/event-emitter';
import { Cron, ScheduleModule, SchedulerRegistry } from '@nestjs/schedule';
import { CaptureService, PostHogCaptureModule, TrackEvent } from 'nestjs-posthog-capture';
import { closeAll, KEY, onClose, startPostHog } from '../../support/harness.js';

afterEach(closeAll);

const later = (): Promise<void> => new Promise(setImmediate);

/** Fails after a step and an event. */
async function fail(capture: CaptureService, name: string): Promise<never> {
  capture.step(`${name} begins`);
  await later();
  capture.capture({ event: `${name}_begun` });
  throw new Error(name);
}

@Injectable()
class Tasks {
  constructor(private readonly capture: CaptureService) {}

  @Cron('0 0 1 1 *', { name: 'schedule' })
  schedule(): Promise<never> {
    return fail(this.capture, 'schedule');
  }

  @TrackEvent('digest_failed', { on: 'error' })
  @Cron('0 0 1 1 *', { name: 'tracked' })
  tracked(): Promise<never> {
    return fail(this.capture, 'tracked');
  }

  @OnEvent('order')
  order(n: number): Promise<never> {
    return fail(this.capture, `order ${n}`);
  }
}

class Paid {
  constructor(readonly total: number) {}
}

@EventsHandler(Paid)
class OnPaid implements IEventHandler<Paid> {
  constructor(private readonly capture: CaptureService) {}

  handle({ total }: Paid): Promise<never> {
    return fail(this.capture, `paid ${total}`);
  }
}

async function start(options = {}) {
  const posthog = await startPostHog();
  const lines: string[] = [];
  const note = (line: unknown): void => void lines.push(String(line));
  @Module({
    imports: [
      PostHogCaptureModule.forRoot({
        apiKey: KEY,
        host: posthog.url,
        exceptions: { limit: false },
        logger: { log: note, warn: note, error: note },
        ...options,
      }),
      ScheduleModule.forRoot(),
      EventEmitterModule.forRoot(),
      CqrsModule.forRoot(),
    ],
    providers: [Tasks, OnPaid],
  })
  class AppModule {}
  const app = await NestFactory.createApplicationContext(AppModule, { logger: false, abortOnError: false });
  onClose(() => app.close());
  await app.init();
  const capture = app.get(CaptureService);
  /** The steps of the captured errors, by message. */
  const steps = async (count: number): Promise<Record<string, unknown>> => {
    while (capture.stats().captured < count) await later();
    await capture.flush();
    const errors = posthog.events.filter(({ event }) => event === '$exception');
    const entries = errors.map(({ properties }): [string, unknown] => [
      String(properties.$exception_message),
      (properties.$exception_steps as { $message: string }[] | undefined)?.map(({ $message }) => $message),
    ]);
    return Object.fromEntries(entries);
  };
  return { app, capture, posthog, lines, steps };
}

it('a schedule has its own, each time', async () => {
  const { app, steps, lines, posthog } = await start();
  const cron = app.get(SchedulerRegistry).getCronJob('schedule');
  void cron.fireOnTick();
  void cron.fireOnTick();
  expect(await steps(4)).toEqual({ schedule: ['schedule begins', 'schedule_begun'] });
  expect(posthog.events.filter(({ event }) => event === '$exception')).toHaveLength(2);
  expect(lines.join('\n')).not.toContain('outside of a context');
});

it('a tracked schedule as well', async () => {
  const { app, steps } = await start();
  void app.get(SchedulerRegistry).getCronJob('tracked').fireOnTick();
  expect(await steps(3)).toEqual({ tracked: ['tracked begins', 'tracked_begun', 'digest_failed'] });
});

it('event handlers have their own, and those of the emitter', async () => {
  const { app, capture, steps } = await start();
  const emitter = app.get(EventEmitter2);
  emitter.emit('order', 1);
  emitter.emit('order', 2);
  capture.withContext({ distinctId: 'ann' }, () => {
    capture.step('ordering');
    emitter.emit('order', 3);
  });
  expect(await steps(6)).toEqual({
    'order 1': ['order 1 begins', 'order 1_begun'],
    'order 2': ['order 2 begins', 'order 2_begun'],
    'order 3': ['ordering', 'order 3 begins', 'order 3_begun'],
  });
});

it('handlers of CQRS events as well', async () => {
  const { app, steps } = await start();
  void app.get(EventBus).publish(new Paid(5));
  expect(await steps(2)).toEqual({ 'paid 5': ['paid 5 begins', 'paid 5_begun'] });
});

it('without contexts there are none', async () => {
  const { app, steps, lines } = await start({ context: false });
  void app.get(SchedulerRegistry).getCronJob('schedule').fireOnTick();
  expect(await steps(2)).toEqual({ schedule: undefined });
  expect(lines.join('\n')).toContain('step() has no effect outside of a context');
});
