// An application for tests that kill its process. Arguments: the folder of the compiled library, the task (capture, drain or flood),
// and the options as JSON. Prints the uuid of each captured event, and the reason and uuid of each dropped event, one per line.
import { writeSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';

const [, , lib, task, json] = process.argv;
const { CaptureService, PostHogCaptureModule } = await import(`${lib}/index.js`);
const { fileEventStore } = await import(`${lib}/stores/file-event-store.js`);
const { storeOptions, flood, captures = Infinity, text, threads = 0, ...options } = JSON.parse(json);
const say = (lines) => writeSync(1, lines.map((line) => `${line}\n`).join(''));
const onDrop = ({ reason, uuid }) => task === 'capture' && say([`${reason} ${uuid}`]);
const print = (line) => process.stderr.write(`${line}\n`);
const logger = { log: task === 'flood' ? print : () => undefined, warn: print, error: () => undefined };
const store = storeOptions && fileEventStore(storeOptions);
/** The store has returned all that it found. A single call may return early. */
let isEmpty = store === undefined;
if (store) {
  const recover = store.recover.bind(store);
  store.recover = async (request) => {
    const recovery = await recover(request);
    isEmpty = recovery.events.length === 0 && recovery.more !== true;
    return recovery;
  };
}
const app = await NestFactory.createApplicationContext(
  PostHogCaptureModule.forRoot({ ...options, logger, onDrop, store }),
  { logger: false, abortOnError: false },
);
app.enableShutdownHooks();
const capture = app.get(CaptureService);

let count = 0;
const captureOne = () =>
  capture.capture({
    event: 'step',
    distinctId: `person_${(count += 1) % 11}`,
    // A text of its own for each event, as a parsed request has.
    properties: { process: process.pid, count, text: text && `${count} ${text}` },
  });

if (task === 'drain') {
  while (capture.stats().pending > 0 || !isEmpty) {
    await capture.flush();
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  say([JSON.stringify(capture.stats())]);
  await app.close();
} else if (task === 'flood') {
  // Yields after every thousand events, as applications do.
  for (let left = flood; left > 0; left -= 1) {
    captureOne();
    if (left % 1000 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  say([JSON.stringify(capture.stats())]);
  await app.close();
} else {
  say(['ready']);
  const turn = () => {
    const uuids = Array.from({ length: Math.min(1 + (count % 7), captures - count) }, captureOne);
    if (storeOptions?.durability === 'capture') say(uuids);
    // Runs after the current turn.
    else setImmediate(() => say(uuids));
    if (count < captures) next = setTimeout(turn, count % 3);
  };
  // Worker threads do the same. Each is terminated after a while, and replaced.
  const startThread = () => {
    const worker = new Worker(fileURLToPath(import.meta.url), { argv: [lib, task, json] });
    worker.once('message', () => setTimeout(() => void worker.terminate(), 50 + Math.random() * 300));
    worker.once('exit', startThread);
  };
  if (isMainThread) for (let thread = 0; thread < threads; thread += 1) startThread();
  else parentPort.postMessage('ready');
  // Like a server that accepts no more requests.
  let next = setTimeout(turn);
  process.once('SIGTERM', () => clearTimeout(next));
}
