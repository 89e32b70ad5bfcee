import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { compileLib } from '../../support/compiled-lib.js';
import { closeAll, KEY, onClose } from '../../support/harness.js';

/**
 * Prints the duration of a tick after full collections, relative to that of `await null`. Takes the fastest of many rounds, to exclude
 * interruptions. About 1 where ticks are fast, 5 and more where they are slow.
 */
const MEASURE = `
  import 'reflect-metadata';
  import { NestFactory } from '@nestjs/core';
  const { PostHogCaptureModule } = await import(process.argv[1]);
  const module = PostHogCaptureModule.forRoot({ apiKey: ${JSON.stringify(KEY)}, host: 'http://127.0.0.1:9' });
  const app = await NestFactory.createApplicationContext(module, { logger: false, abortOnError: false });

  const COUNT = 10_000;
  const ticks = () => new Promise((resolve) => {
    let left = COUNT;
    const next = () => { if ((left -= 1) > 0) process.nextTick(next); else resolve(); };
    process.nextTick(next);
  });
  const waits = async () => {
    for (let left = COUNT; left > 0; left -= 1) await null;
  };
  const quickest = async (work) => {
    let best = Infinity;
    for (let round = 0; round < 30; round += 1) {
      const startedAt = performance.now();
      await work();
      best = Math.min(best, performance.now() - startedAt);
    }
    return best;
  };
  await quickest(ticks);
  for (let times = 0; times < 3; times += 1) {
    await new Promise((resolve) => setImmediate(resolve));
    gc();
  }
  console.log(await quickest(ticks) / await quickest(waits));
  await app.close();
`;

afterEach(closeAll);

it('keeps ticks fast after full garbage collections', async () => {
  const lib = await compileLib();
  onClose(() => lib.remove());
  const script = ['--expose-gc', '--input-type=module', '-e', MEASURE, `${lib.path}/index.js`];
  const { stdout } = await promisify(execFile)(process.execPath, script);
  expect(Number(stdout)).toBeLessThan(3);
});
