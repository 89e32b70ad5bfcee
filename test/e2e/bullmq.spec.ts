import { BullModule, getQueueToken, Processor, WorkerHost } from '@nestjs/bullmq';
import { NestFactory } from '@nestjs/core';
import { Module } from '@nestjs/common';
import { DelayedError, type Job, type Queue, UnrecoverableError } from 'bullmq';
import {
  attachContext,
  CaptureService,
  PostHogCaptureModule,
  RestoreContext,
  TrackEvent,
} from 'nestjs-posthog-capture';
import { hasRedis, startRedis } from '../../sample/03-every-transport/test/redis.js';
import { closeAll, KEY, onClose, startPostHog } from '../support/harness.js';

interface Task {
  fail?: boolean;
}

@Processor('tasks', { concurrency: 5 })
class TaskProcessor extends WorkerHost {
  constructor(private readonly capture: CaptureService) {
    super();
  }

  @TrackEvent('task_done', { on: 'any', properties: ({ args }) => ({ name: (args[0] as Job).name }) })
  @RestoreContext()
  async process(job: Job<Task>): Promise<string> {
    this.capture.context.set({ properties: { step: job.name } });
    await new Promise(setImmediate);
    this.capture.capture({ event: 'step' });
    if (job.data.fail) throw new Error('no');
    return job.name;
  }
}

/** Fails as its job says. */
@Processor('failing')
class FailingProcessor extends WorkerHost {
  @RestoreContext()
  async process(job: Job<{ how: string }>, token?: string): Promise<string> {
    await new Promise(setImmediate);
    const { how } = job.data;
    if (how === 'delayed' && job.attemptsStarted === 1) {
      await job.moveToDelayed(Date.now(), token);
      throw new DelayedError();
    }
    if (how === 'unrecoverable') throw new UnrecoverableError('unrecoverable');
    if (how === 'retried') throw new Error(`attempt ${job.attemptsMade + 1}`);
    return 'done';
  }
}

if (!hasRedis) console.warn('Skipped: BullMQ processors. There is no redis-server on this machine.');

(hasRedis ? describe : describe.skip).each(['first', 'last'])('a processor, with our module imported %s', (place) => {
  afterEach(closeAll);

  it('has one event for the error of a job, with the user who queued it, and BullMQ does as without', async () => {
    const redis = await startRedis();
    onClose(() => redis.stop());
    const posthog = await startPostHog();
    const ours = PostHogCaptureModule.forRoot({ apiKey: KEY, host: posthog.url, exceptions: true });
    const bull = [
      BullModule.forRoot({ connection: { host: '127.0.0.1', port: redis.port } }),
      BullModule.registerQueue({ name: 'failing' }),
    ];
    @Module({ imports: place === 'first' ? [ours, ...bull] : [...bull, ours], providers: [FailingProcessor] })
    class AppModule {}
    const app = await NestFactory.createApplicationContext(AppModule, { logger: false, abortOnError: false });
    onClose(() => app.close());
    const capture = app.get(CaptureService);
    const queue = app.get<Queue>(getQueueToken('failing'));
    const { worker } = app.get(FailingProcessor);
    const ended = new Map<string, string>();
    const allEnded = new Promise<void>((resolve) => {
      const end = (job: Job | undefined, result: unknown): void => {
        // A job that is tried again has no end yet.
        if (job?.finishedOn === undefined) return;
        ended.set(job.name, `${String(result)} after ${job.attemptsMade}`);
        if (ended.size === 3) resolve();
      };
      worker.on('failed', (job, error) => end(job, error.message)).on('completed', end);
    });
    for (const how of ['retried', 'unrecoverable', 'delayed'])
      await capture.withContext({ distinctId: how }, () =>
        queue.add(how, attachContext(capture, { how }), { attempts: 3 }),
      );
    await allEnded;
    expect(Object.fromEntries(ended)).toEqual({
      retried: 'attempt 3 after 3',
      unrecoverable: 'unrecoverable after 1',
      delayed: 'done after 1',
    });
    await capture.flush();
    const seen = posthog.events.map(({ event, distinct_id, properties }) => [
      event,
      distinct_id,
      properties.$exception_message,
      properties.$handler,
      properties.$job_queue,
      properties.$job_name,
      properties.$job_attempt,
    ]);
    expect(seen.sort()).toEqual([
      ['$exception', 'retried', 'attempt 3', 'FailingProcessor.process', 'failing', 'retried', 3],
      ['$exception', 'unrecoverable', 'unrecoverable', 'FailingProcessor.process', 'failing', 'unrecoverable', 1],
    ]);
  });

  it('is tracked, each job for the user who queued it', async () => {
    const redis = await startRedis();
    onClose(() => redis.stop());
    const posthog = await startPostHog();
    const ours = PostHogCaptureModule.forRoot({ apiKey: KEY, host: posthog.url, flushIntervalMs: 5 });
    const bull = [
      BullModule.forRoot({ connection: { host: '127.0.0.1', port: redis.port } }),
      BullModule.registerQueue({ name: 'tasks' }),
    ];
    @Module({ imports: place === 'first' ? [ours, ...bull] : [...bull, ours], providers: [TaskProcessor] })
    class AppModule {}
    const app = await NestFactory.createApplicationContext(AppModule, { logger: false, abortOnError: false });
    onClose(() => app.close());

    const capture = app.get(CaptureService);
    const queue = app.get<Queue>(getQueueToken('tasks'));
    for (const name of ['ann', 'bob']) {
      await capture.withContext({ distinctId: name }, () => queue.add(name, attachContext(capture, {})));
    }
    await queue.add('nobody', {});
    await queue.add('nobody', {});
    await queue.add('failing', { fail: true });
    while (posthog.events.length < 10) await posthog.waitForEvents(posthog.events.length + 1);
    await capture.flush();

    const done = posthog.events.filter(({ event }) => event === 'task_done');
    expect(posthog.events).toHaveLength(10);
    expect(done.map(({ properties }) => `${String(properties.name)} ${String(properties.$outcome)}`).sort()).toEqual([
      'ann success',
      'bob success',
      'failing error',
      'nobody success',
      'nobody success',
    ]);
    for (const { distinct_id, properties } of done) {
      const steps = posthog.events.filter((one) => one.event === 'step' && one.distinct_id === distinct_id);
      expect(steps.map((step) => step.properties.step)).toEqual([properties.name]);
      if (properties.$process_person_profile !== false) expect(distinct_id).toBe(properties.name);
    }
    expect(new Set(done.map(({ distinct_id }) => distinct_id)).size).toBe(5);
  });
});
