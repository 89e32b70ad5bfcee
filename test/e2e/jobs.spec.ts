import { Processor, WorkerHost } from '@nestjs/bullmq';
import { EventEmitter2, EventEmitterModule, OnEvent } from '@nestjs/event-emitter';
import { Injectable } from '@nestjs/common';
import { type Job } from 'bullmq';
import { attachContext, CaptureService, RestoreContext, TrackEvent, withJobContext } from 'nestjs-posthog-capture';
import { closeAll } from '../support/harness.js';
import { serve } from '../support/serve.js';

afterEach(closeAll);

/** The part of a job used here. BullMQ itself, which needs Redis, is tested in bullmq.spec.ts. */
const job = (name: string, data: object): Job => ({ name, data }) as Job;

/** One class for all kinds of jobs, distinguished by name, as in Nest's documentation. */
@Processor('mails')
class Mails extends WorkerHost {
  constructor(private readonly capture: CaptureService) {
    super();
  }

  @RestoreContext()
  async process({ name }: Job): Promise<unknown> {
    this.capture.capture({ event: 'started' });
    await new Promise(setImmediate);
    return name === 'welcome' ? this.welcome() : this.capture.context.get();
  }

  @TrackEvent('welcome_sent')
  async welcome() {
    await new Promise(setImmediate);
    this.capture.capture({ event: 'within' });
    return this.capture.context.get();
  }
}

@Processor('letters')
class Letters extends WorkerHost {
  constructor(private readonly capture: CaptureService) {
    super();
  }

  process(one: Job) {
    return withJobContext(this.capture, one, () => this.write());
  }

  @TrackEvent('letter_written')
  async write() {
    await new Promise(setImmediate);
    this.capture.capture({ event: 'within' });
    return this.capture.context.get();
  }
}

@Injectable()
class Listener {
  constructor(private readonly capture: CaptureService) {}

  @OnEvent('placed')
  @RestoreContext()
  placed() {
    this.capture.capture({ event: 'heard' });
  }
}

const who = (events: readonly { event: string; distinct_id: string }[]) =>
  events.map(({ event, distinct_id }) => `${event} ${distinct_id}`);

it.each([
  ['@RestoreContext', Mails, 'started'],
  ['withJobContext', Letters, undefined],
])('a decorated helper of a processor runs in the context of its job: %s', async (_how, processor, first) => {
  const { app, capture, events } = await serve({ providers: [processor] });
  const data = capture.withContext({ distinctId: 'ann' }, () => attachContext(capture, {}));
  await app.get<WorkerHost>(processor).process(job('welcome', data));
  const said = await events();
  expect(said.map(({ distinct_id }) => distinct_id)).toEqual(said.map(() => 'ann'));
  expect(said).toHaveLength(first === undefined ? 2 : 3);
});

it('a job without a context gets a new one with @RestoreContext alone, wherever its worker was started', async () => {
  const { app, capture, events } = await serve({ providers: [Mails] });
  const started = (): Promise<unknown> => app.get(Mails).process(job('welcome', {}));
  await capture.withContext({ distinctId: 'starter' }, started);
  await started();
  const all = await events();
  const ids = all.map(({ distinct_id }) => distinct_id);
  expect(all.map(({ event }) => event)).toEqual([0, 1].flatMap(() => ['started', 'within', 'welcome_sent']));
  expect(ids).toEqual([ids[0], ids[0], ids[0], ids[3], ids[3], ids[3]]);
  expect(new Set([...ids, 'starter']).size).toBe(3);
});

it('an event without a context has that of its emitter', async () => {
  const { app, capture, events } = await serve({ imports: [EventEmitterModule.forRoot()], providers: [Listener] });
  capture.withContext({ distinctId: 'ann' }, () => app.get(EventEmitter2).emit('placed', {}));
  expect(who(await events())).toEqual(['heard ann']);
});
