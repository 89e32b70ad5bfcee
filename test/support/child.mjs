// An application in a process of its own, for tests that kill it. Arguments: the folder of the compiled library, what to do
// (capture or drain), and the options as JSON. Says on standard output which events were captured, a uuid per line.
import { writeSync } from 'node:fs';
import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';

const [, , lib, task, json] = process.argv;
const { CaptureService, PostHogCaptureModule } = await import(`${lib}/index.js`);
const { lmdbEventStore } = await import(`${lib}/stores/lmdb-event-store.js`);
const { storeOptions, ...options } = JSON.parse(json);
const logger = { log: () => undefined, warn: (line) => process.stderr.write(`${line}\n`), error: () => undefined };
const app = await NestFactory.createApplicationContext(
  PostHogCaptureModule.forRoot({ ...options, logger, store: lmdbEventStore(storeOptions) }),
  { logger: false, abortOnError: false },
);
app.enableShutdownHooks();
const capture = app.get(CaptureService);
const say = (lines) => writeSync(1, lines.map((line) => `${line}\n`).join(''));

let count = 0;
const captureOne = () =>
  capture.capture({
    event: 'step',
    distinctId: `person_${(count += 1) % 11}`,
    properties: { process: process.pid, count },
  });

if (task === 'drain') {
  while (capture.stats().pending > 0) await capture.flush();
  say([JSON.stringify(capture.stats())]);
  await app.close();
} else {
  say(['ready']);
  const turn = () => {
    const uuids = Array.from({ length: 1 + (count % 7) }, captureOne);
    if (storeOptions.durability === 'capture') say(uuids);
    // The turn is over when this runs.
    else setImmediate(() => say(uuids));
    setTimeout(turn, count % 3);
  };
  turn();
}
