// An application for tests of crashes. Arguments: the folder of the compiled library, the name of the crash, and the options as JSON.
// Prints lines of JSON.
import { writeSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';

const [, , lib, crash, json] = process.argv;
const { CaptureService, PostHogCaptureModule } = await import(`${lib}/index.js`);
const { fileEventStore } = await import(`${lib}/stores/file-event-store.js`);
const { path, name, events = 0, aiEvents = 0, ...options } = JSON.parse(json);
const say = (value) => void writeSync(1, `${JSON.stringify(value)}\n`);
const print = (line) => void writeSync(2, `${line}\n`);
const logger = { log: () => undefined, warn: print, error: print };
const delivered = [];
const onDelivery = ({ uuids }) => delivered.push(...uuids);
const store = path && fileEventStore({ path });
const app = await NestFactory.createApplicationContext(
  PostHogCaptureModule.forRoot({ ...options, name, logger, onDelivery, store }),
  { logger: false, abortOnError: false },
);
const capture = app.get(CaptureService);
const listeners = () => process.listenerCount('uncaughtExceptionMonitor');
const captureSome = (count) => {
  for (let n = 0; n < count; n += 1)
    capture.capture({ event: 'step', distinctId: `person_${n % 500}`, properties: { n, text: `é${'x'.repeat(100)}` } });
};
const until = async (isDone) => {
  while (!isDone()) await new Promise((resolve) => setTimeout(resolve, 2));
};
/** Throws outside of any promise, in the context of a person. */
const throwLater = (error) =>
  capture.withContext({ distinctId: 'person_of_crash' }, () =>
    setTimeout(() => {
      throw error;
    }),
  );

const CRASHES = {
  /** Some events are in requests, one waits as a captureNow, the rest is in the queue. */
  async throws() {
    captureSome(events - 1);
    for (let n = 0; n < aiEvents; n += 1) capture.captureAi({ event: '$ai_span', distinctId: `person_${n}` });
    void capture.captureNow({ event: 'now', distinctId: 'person_now' }, { timeoutMs: 60_000 });
    await until(() => capture.stats().inFlight >= Math.min(events, 201));
    process.on('uncaughtExceptionMonitor', (error, origin) => say(['own monitor', error.message, origin]));
    process.on('exit', (code) => say(['exit', code, Date.now()]));
    say(['crash', Date.now()]);
    throwLater(new Error('the end'));
  },
  async rejects() {
    captureSome(events);
    await capture.withContext({ distinctId: 'person_of_crash' }, () => Promise.reject(new TypeError('rejected')));
  },
  async handlesRejections() {
    process.on('unhandledRejection', () => undefined);
    void Promise.reject(new Error('handled'));
    const late = Promise.reject(new Error('handled'));
    late.catch(() => undefined);
    await new Promise(setImmediate);
    await app.close();
    say(listeners());
  },
  /** Survives errors of every kind. */
  async survives() {
    const seen = [];
    process.on('uncaughtException', (error) => seen.push(typeof error));
    const hostile = {
      get message() {
        throw new Error('a getter');
      },
    };
    const revoked = Proxy.revocable({}, {});
    revoked.revoke();
    const errors = [
      null,
      undefined,
      'text',
      Object.freeze(new Error('frozen')),
      hostile,
      revoked.proxy,
      new Error('last'),
    ];
    for (const [n, error] of errors.entries()) {
      throwLater(error);
      await until(() => seen.length > n);
    }
    captureSome(events);
    await capture.flush();
    const { captured, delivered: count, pending, dropped } = capture.stats();
    say({ captured, delivered: count, pending, dropped, calls: delivered.length, different: new Set(delivered).size });
    say(listeners());
    await app.close();
    say(listeners());
    process.removeAllListeners('uncaughtException');
  },
  /** The application writes its log, then ends the process. */
  async exits() {
    process.on('uncaughtException', () => process.exit(3));
    captureSome(events);
    throwLater(new Error('the end'));
  },
  async inThread() {
    const url = new URL('./crashing-child.mjs', import.meta.url);
    const worker = new Worker(url, { argv: [lib, 'throwsInThread', json] });
    const error = await new Promise((resolve) => worker.once('error', resolve));
    say(error.message);
    await app.close();
  },
  async throwsInThread() {
    captureSome(events);
    throwLater(new Error('the end of a thread'));
  },
  async drains() {
    await until(() => capture.stats().pending === 0);
    await app.close();
  },
};

await CRASHES[crash]();
