import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { compileLib } from '../../support/compiled-lib.js';
import { closeAll, KEY, onClose } from '../../support/harness.js';

/**
 * Says how much longer a tick takes after full collections than before: the quickest of many rounds each, because anything may come
 * between. Without what this tests it is three to six times. Says too whether promises are followed, which costs each of them.
 */
const MEASURE = `
  import 'reflect-metadata';
  import { NestFactory } from '@nestjs/core';
  const [, lib, isServer] = process.argv;
  const { CaptureService, PostHogCaptureModule } = await import(lib);
  const module = PostHogCaptureModule.forRoot({ apiKey: ${JSON.stringify(KEY)}, host: 'http://127.0.0.1:9' });
  const options = { logger: false, abortOnError: false };
  const app = isServer ? await NestFactory.create(module, options) : await NestFactory.createApplicationContext(module, options);
  await app.init();
  const followed = Object.getOwnPropertySymbols(Promise.resolve()).length > 0;

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
  const slowerBy = async () => {
    const before = await quickest();
    for (let times = 0; times < 3; times += 1) {
      await new Promise((resolve) => setImmediate(resolve));
      gc();
    }
    return await quickest() / before;
  };
  const ratio = await (isServer ? app.get(CaptureService).withContext({}, slowerBy) : slowerBy());
  console.log(JSON.stringify({ ratio, followed }));
  await app.close();
`;

async function measure(...kind: string[]): Promise<{ ratio: number; followed: boolean }> {
  const lib = await compileLib();
  onClose(() => lib.remove());
  const script = ['--expose-gc', '--input-type=module', '-e', MEASURE, `${lib.path}/index.js`, ...kind];
  const { stdout } = await promisify(execFile)(process.execPath, script);
  return JSON.parse(stdout) as { ratio: number; followed: boolean };
}

afterEach(closeAll);

it('keeps ticks fast when V8 has had full collections', async () => {
  const { ratio, followed } = await measure();
  expect(ratio).toBeLessThan(2);
  expect(followed).toBe(false);
});

it('keeps those of a server’s requests fast', async () => {
  const { ratio } = await measure('server');
  expect(ratio).toBeLessThan(2);
});
