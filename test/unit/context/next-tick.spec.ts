import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { compileLib } from '../../support/compiled-lib.js';
import { closeAll, KEY, onClose } from '../../support/harness.js';

/**
 * Says how much longer a tick takes after full collections than before. The quickest of many rounds each, because anything may come
 * between; without what this tests it is three to six times.
 */
const SLOWER_BY = `
  import 'reflect-metadata';
  import { NestFactory } from '@nestjs/core';
  const { PostHogCaptureModule } = await import(process.argv[1]);
  const module = PostHogCaptureModule.forRoot({ apiKey: ${JSON.stringify(KEY)}, host: 'http://127.0.0.1:9', context: process.argv[2] === 'on' });
  const app = await NestFactory.createApplicationContext(module, { logger: false, abortOnError: false });

  const ticks = (count) => new Promise((resolve) => {
    const next = () => { if ((count -= 1) > 0) process.nextTick(next); else resolve(); };
    process.nextTick(next);
  });
  const quickest = async () => {
    let best = Infinity;
    for (let round = 0; round < 30; round += 1) {
      const startedAt = performance.now();
      await ticks(10_000);
      best = Math.min(best, performance.now() - startedAt);
    }
    return best;
  };
  const before = await quickest();
  for (let times = 0; times < 3; times += 1) {
    await new Promise((resolve) => setImmediate(resolve));
    gc();
  }
  console.log(await quickest() / before);
  await app.close();
`;

afterEach(closeAll);

it.each(['on', 'off'])('keeps ticks fast when V8 has had full collections, context %s', async (context) => {
  const lib = await compileLib();
  onClose(() => lib.remove());
  const script = ['--expose-gc', '--input-type=module', '-e', SLOWER_BY, `${lib.path}/index.js`, context];
  const { stdout } = await promisify(execFile)(process.execPath, script);
  expect(Number(stdout)).toBeLessThan(2);
});
