import { Processor, WorkerHost } from '@nestjs/bullmq';
import { BadRequestException, Injectable, Module, Scope } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { DelayedError, type Job, RateLimitError, UnrecoverableError, WaitingChildrenError, WaitingError } from 'bullmq';
import {
  attachContext,
  CaptureService,
  PostHogCaptureModule,
  type PostHogCaptureModuleOptions,
  RestoreContext,
  withJobContext,
} from 'nestjs-posthog-capture';
import { type StoredEvent } from 'nestjs-posthog-capture/testing';
import { closeAll, KEY, onClose, startPostHog } from '../support/harness.js';

afterEach(closeAll);

/** The part of a job that is used here. Real jobs, which need Redis, are in bullmq.spec.ts. */
const job = (more: object = {}): Job =>
  ({
    id: '7',
    name: 'mail',
    queueName: 'mails',
    data: { secret: 's3cret' },
    opts: {},
    attemptsMade: 0,
    ...more,
  }) as Job;

class Unrecoverable extends UnrecoverableError {}

@Processor('mails')
class Mails extends WorkerHost {
  pending: Promise<unknown> | undefined;

  async process({ data }: Job): Promise<unknown> {
    await new Promise(setImmediate);
    if ((data as { fine?: boolean }).fine === true) return 'sent';
    throw (data as { error?: Error }).error ?? new Error('no mail');
  }
}

@Processor('restoring')
class Restoring extends WorkerHost {
  @RestoreContext()
  async process() {
    await new Promise(setImmediate);
    throw new Error('restoring');
  }
}

@Processor('scoping')
class Scoping extends WorkerHost {
  constructor(private readonly capture: CaptureService) {
    super();
  }

  async process(one: Job) {
    await new Promise(setImmediate);
    return withJobContext(this.capture, one, async () => {
      this.capture.context.set({ properties: { step: 2 } });
      await new Promise(setImmediate);
      throw new Error('scoping');
    });
  }
}

@Processor('derived')
class Derived extends Mails {
  override async process(one: Job): Promise<unknown> {
    return super.process(one).catch(() => 'handled');
  }
}

@Processor('stepping')
class Stepping extends WorkerHost {
  constructor(private readonly capture: CaptureService) {
    super();
  }

  async process(one: Job): Promise<never> {
    this.capture.step(`begin ${one.id}`);
    await new Promise(setImmediate);
    throw new Error(`${one.id}`);
  }
}

@Processor({ name: 'scoped', scope: Scope.REQUEST })
class Scoped extends WorkerHost {
  process(): Promise<never> {
    throw new Error('scoped');
  }
}

/** No processor, although it has a method of this name. */
@Injectable()
class Plain {
  process(): void {
    throw new Error('plain');
  }
}

async function start(options: PostHogCaptureModuleOptions = { exceptions: true }) {
  const posthog = await startPostHog();
  @Module({
    imports: [PostHogCaptureModule.forRoot({ apiKey: KEY, host: posthog.url, ...options })],
    providers: [
      Restoring,
      Scoping,
      Derived,
      Stepping,
      Scoped,
      Plain,
      { provide: Mails, useFactory: () => new Mails() },
    ],
  })
  class AppModule {}
  const app = await NestFactory.createApplicationContext(AppModule, { logger: false, abortOnError: false });
  onClose(() => app.close());
  const capture = app.get(CaptureService);
  return {
    app,
    capture,
    posthog,
    /** Runs a job as a worker does. */
    run: (one: Job, type: new (...args: never[]) => WorkerHost = Mails): Promise<unknown> =>
      (app.get<WorkerHost>(type).process(one) as Promise<unknown>).catch((error: unknown) => error),
    caught: async () => {
      await capture.flush();
      return posthog.events.filter(({ event }) => event === '$exception');
    },
  };
}

it('the last attempt is captured, with the job and never its data', async () => {
  const { run, caught, posthog } = await start();
  const opts = { attempts: 3 };
  for (const attemptsMade of [0, 1, 2]) await run(job({ opts, attemptsMade }));
  const errors = await caught();
  expect(errors).toHaveLength(1);
  expect(errors[0]!.properties).toMatchObject({
    $exception_level: 'error',
    $exception_source: 'bullmq.worker',
    $exception_list: [{ type: 'Error', value: 'no mail', mechanism: { type: 'task', handled: false } }],
    $handler: 'Mails.process',
    $transport: 'provider',
    $job_queue: 'mails',
    $job_name: 'mail',
    $job_id: '7',
    $job_attempt: 3,
    $process_person_profile: false,
  });
  expect(JSON.stringify(errors)).not.toContain('s3cret');
  expect(posthog.violations).toEqual([]);
});

it('the example aggregate of exception-event-metadata', async () => {
  const named = (name: string, message: string, cause?: unknown): Error =>
    Object.assign(new Error(message, cause === undefined ? undefined : { cause }), { name });
  const invalid = named('ValidationError', 'Validation failed', named('ParseError', 'Invalid value'));
  const error = new AggregateError([named('NetworkError', 'Network failed'), invalid], 'Two operations failed');
  const { run, caught } = await start();
  await run(job({ data: { error } }));
  const [{ properties }] = (await caught()) as [StoredEvent];
  expect(properties.$exception_level).toBe('error');
  const chained = { type: 'chained', synthetic: false };
  const list = properties.$exception_list as { type: string; value: string; mechanism: object }[];
  expect(list.map(({ type, value, mechanism }) => [type, value, mechanism])).toEqual([
    ['AggregateError', 'Two operations failed', { type: 'task', handled: false, synthetic: false, exception_id: 0 }],
    ['NetworkError', 'Network failed', { ...chained, source: 'member', exception_id: 1, parent_id: 0 }],
    ['ValidationError', 'Validation failed', { ...chained, source: 'member', exception_id: 2, parent_id: 0 }],
    ['ParseError', 'Invalid value', { ...chained, source: 'cause', exception_id: 3, parent_id: 2 }],
  ]);
});

it('each attempt is captured with jobs: every', async () => {
  const { run, caught } = await start({ exceptions: { jobs: 'every' } });
  for (const attemptsMade of [0, 1, 2]) await run(job({ opts: { attempts: 3 }, attemptsMade }));
  expect((await caught()).map(({ properties }) => properties.$job_attempt)).toEqual([1, 2, 3]);
});

it.each([
  ['there are no retries', {}, undefined],
  ['the error is unrecoverable', { opts: { attempts: 3 } }, new UnrecoverableError('x')],
  ['the error is of a class derived from it', { opts: { attempts: 3 } }, new Unrecoverable('x')],
  ['the job is discarded', { opts: { attempts: 3 }, discarded: true }, undefined],
  [
    'it was started too often',
    { opts: { attempts: 3 }, attemptsStarted: 2, queue: { opts: { maxStartedAttempts: 2 } } },
    undefined,
  ],
  ['BullMQ 4 counted it at its start', { opts: { attempts: 3 }, attemptsMade: 3, moveToFailed: () => 0 }, undefined],
])('an attempt is the last if %s', async (_why, more, error) => {
  const { run, caught } = await start();
  await run(job({ ...more, data: { error } }));
  expect(await caught()).toHaveLength(1);
});

it('an attempt of BullMQ 4 that is retried is not captured', async () => {
  const { run, caught } = await start();
  await run(job({ opts: { attempts: 3 }, attemptsMade: 2, moveToFailed: () => 0 }));
  expect(await caught()).toEqual([]);
});

it.each([
  new DelayedError(),
  new WaitingError(),
  new WaitingChildrenError(),
  new RateLimitError(),
  new Error('bullmq:rateLimitExceeded'),
  new DOMException('stopped', 'AbortError'),
  new BadRequestException(),
])('a job that is to run later, or ends as expected, is not captured: %p', async (error) => {
  const { run, caught } = await start({ exceptions: { jobs: 'every' } });
  expect(await run(job({ data: { error } }))).toBe(error);
  expect(await caught()).toEqual([]);
});

it('the person is that of the job', async () => {
  const { run, capture, caught } = await start();
  for (const [type, person] of [
    [Restoring, 'ann'],
    [Scoping, 'bob'],
  ] as const) {
    const data = capture.withContext({ distinctId: person }, () => attachContext(capture, {}));
    await capture.withContext({ distinctId: 'starter of the worker' }, () => run(job({ data }), type));
  }
  await capture.withContext({ distinctId: 'starter of the worker' }, () => run(job(), Mails));
  const errors = await caught();
  expect(errors.map(({ distinct_id, properties }) => [distinct_id, properties.$handler, properties.step])).toEqual([
    ['ann', 'Restoring.process', undefined],
    ['bob', 'Scoping.process', 2],
    [expect.not.stringContaining('starter'), 'Mails.process', undefined],
  ]);
});

it('an inherited method is captured once, and only if its error leaves the job', async () => {
  const { run, caught } = await start();
  expect(await run(job(), Derived)).toBe('handled');
  expect(await caught()).toEqual([]);
});

it('steps of concurrent jobs never mix, whatever context their worker was started in', async () => {
  const { run, caught, capture } = await start({ exceptions: { limit: false } });
  const ids = Array.from({ length: 50 }, (_, n) => `job ${n}`);
  await capture.withContext({ distinctId: 'starter' }, () => {
    capture.step('the worker starts');
    return Promise.all(ids.map((id) => run(job({ id }), Stepping)));
  });
  const errors = await caught();
  expect(errors).toHaveLength(ids.length);
  for (const { properties } of errors)
    expect(properties).toMatchObject({
      $exception_steps: [{ $message: `begin ${String(properties.$exception_message)}` }],
      $process_person_profile: false,
    });
});

it('request-scoped processors are captured', async () => {
  const { app, caught } = await start();
  const instance = await app.resolve(Scoped);
  expect(() => instance.process()).toThrow('scoped');
  expect((await caught()).map(({ properties }) => properties.$handler)).toEqual(['Scoped.process']);
});

it('other methods and other applications are as without', async () => {
  const wants = await start();
  const other = await start({});
  expect(() => wants.app.get(Plain).process()).toThrow('plain');
  await other.run(job());
  expect(await wants.caught()).toEqual([]);
  expect(await other.caught()).toEqual([]);
  const error = new Error('mine');
  expect(await wants.run(job({ data: { error } }))).toBe(error);
  expect(await wants.run(job({ data: { fine: true } }))).toBe('sent');
  expect([Mails.prototype.process.name, Mails.prototype.process.length]).toEqual(['process', 1]);
});
