// A serverless function for tests of frozen processes. Arguments: the folder of the compiled library, and the options of the module as JSON.
// Each line of standard input is an event, as JSON, with the time limit of its invocation. Prints the result, then stops itself.
import { writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';

const [, , lib, json] = process.argv;
const { CaptureService, PostHogCaptureModule } = await import(`${lib}/index.js`);
const { withFlush } = await import(`${lib}/serverless/index.js`);
const print = (line) => process.stderr.write(`${line}\n`);
const logger = { log: () => undefined, warn: print, error: print };

const handler = withFlush(
  async () => {
    const module = PostHogCaptureModule.forRoot({ ...JSON.parse(json), logger });
    const app = await NestFactory.createApplicationContext(module, { logger: false, abortOnError: false });
    const capture = app.get(CaptureService);
    return {
      app,
      handler: ({ number }) => {
        capture.capture({ event: 'invoked', distinctId: 'person', properties: { number } });
        return number;
      },
    };
  },
  { timeoutMs: 60_000, reserveMs: 0 },
);

for await (const line of createInterface(process.stdin)) {
  const { number, limitMs } = JSON.parse(line);
  const endsAt = performance.now() + limitMs;
  const result = await handler({ number }, { getRemainingTimeInMillis: () => endsAt - performance.now() });
  writeSync(1, `${result}\n`);
  process.kill(process.pid, 'SIGSTOP');
}
