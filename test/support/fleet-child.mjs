// A pod or a relay for tests that kill its process. Arguments: the folder of the compiled library, `pod`, `relay` or `script`, the path of Redis' socket,
// and options as JSON. A pod captures until SIGTERM, and prints the uuids of events once the queue has them, one per line.
// A script captures one event and ends.
import { writeSync } from 'node:fs';
import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';

const [, , lib, role, path, json] = process.argv;
const { CaptureService, PostHogCaptureModule } = await import(`${lib}/index.js`);
const { redisQueue } = await import(`${lib}/redis/redis-queue.js`);
const queue = redisQueue({ connection: { path } });
const say = (lines) => writeSync(1, lines.map((line) => `${line}\n`).join(''));
const print = (line) => process.stderr.write(`${line}\n`);
const options = { ...JSON.parse(json), logger: { log: () => undefined, warn: print, error: print } };

if (role === 'relay') {
  const { PostHogRelayModule } = await import(`${lib}/relay/index.js`);
  const app = await NestFactory.createApplicationContext(PostHogRelayModule.forRoot({ ...options, source: queue }), {
    logger: false,
  });
  app.enableShutdownHooks();
  say(['ready']);
} else if (role === 'script') {
  const app = await NestFactory.createApplicationContext(PostHogCaptureModule.forRoot({ ...options, queue }), {
    logger: false,
  });
  app.get(CaptureService).capture({ event: 'step', distinctId: 'person' });
} else {
  const app = await NestFactory.createApplicationContext(PostHogCaptureModule.forRoot({ ...options, queue }), {
    logger: false,
  });
  app.enableShutdownHooks();
  const capture = app.get(CaptureService);
  let count = 0;
  let isEnding = false;
  process.once('SIGTERM', () => {
    isEnding = true;
  });
  say(['ready']);
  while (!isEnding) {
    const uuids = Array.from({ length: 5 }, () =>
      capture.capture({
        event: 'step',
        distinctId: `person_${(count += 1) % 11}`,
        properties: { process: process.pid, count },
      }),
    );
    const { pending, dropped } = await capture.flush({ timeoutMs: 500 });
    if (pending === 0 && dropped.queue_full === undefined) say(uuids);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
