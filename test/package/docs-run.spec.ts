import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type INestApplication, type Type } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { afterAll, afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { CaptureService } from 'nestjs-posthog-capture';
import { type FakePostHog } from 'nestjs-posthog-capture/testing';
import { runCli } from '../../lib/cli/cli.js';
import { KEY } from '../support/harness.js';
import { ScriptedTerminal } from '../support/scripted-terminal.js';
import { codeBlocks, ROOT } from './code-blocks.js';
import { startPatientPostHog } from '../support/patient-posthog.js';

const folder = mkdtempSync(`${ROOT}test/package/.docs-`);
const environment = { ...process.env };
let posthog: FakePostHog;

beforeEach(async () => {
  posthog = await startPatientPostHog();
  const own = { POSTHOG_API_KEY: KEY, POSTHOG_HOST: posthog.url };
  Object.assign(process.env, own, { ANALYTICS_KEY: own.POSTHOG_API_KEY, ANALYTICS_HOST: own.POSTHOG_HOST });
});
afterEach(async () => {
  process.env = { ...environment };
  await posthog.close();
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Writes the named files of a page, so that they can be imported from the folder that is returned. */
function filesOf(page: string): string {
  const target = join(folder, page);
  for (const { file, code } of codeBlocks(page)) {
    if (file === undefined) continue;
    mkdirSync(dirname(join(target, file)), { recursive: true });
    writeFileSync(join(target, file), code);
  }
  return target;
}

async function start(imports: Type[]): Promise<INestApplication> {
  const app = (await Test.createTestingModule({ imports }).compile()).createNestApplication();
  await app.listen(0, '127.0.0.1');
  return app;
}

async function post(app: INestApplication, path: string, body: object): Promise<number> {
  const headers = { 'content-type': 'application/json' };
  const response = await fetch((await app.getUrl()) + path, { method: 'POST', headers, body: JSON.stringify(body) });
  await response.text();
  return response.status;
}

const readme = filesOf('README.md');

describe('README.md', () => {
  it('captures its first event', async () => {
    const { AppModule } = (await import(`${readme}/src/app.module.ts`)) as { AppModule: Type };
    const app = await start([AppModule]);
    expect(await post(app, '/orders', { customer: 'user_1', total: 9.9 })).toBe(201);
    await app.close();

    expect(posthog.rows).toMatchObject([{ event: 'order_placed', distinct_id: 'user_1', properties: { total: 9.9 } }]);
    expect(posthog.violations).toEqual([]);
  });

  it('tracks with its decorator', async () => {
    const { AppModule } = (await import(`${readme}/src/app.module.ts`)) as { AppModule: Type };
    const app = await start([AppModule]);
    expect(await post(app, '/orders/refunds', { order: 'order_1', amount: 5 })).toBe(201);
    await app.close();

    expect(posthog.rows).toMatchObject([
      { event: 'refund_requested', properties: { amount: 5, $outcome: 'success', $request_route: '/orders/refunds' } },
    ]);
  });
});

// The tests that the pages show register themselves.
await import(`${readme}/src/orders.controller.spec.ts`);

const agents = filesOf('AGENTS.md');
await import(`${agents}/src/orders.controller.spec.ts`);
await import(`${agents}/test/refunds.e2e-spec.ts`);

describe('docs/configuration.md', () => {
  const configuration = filesOf('docs/configuration.md');

  it.each([
    ['use-factory.module.ts', 'UseFactoryModule'],
    ['use-class.module.ts', 'UseClassModule'],
    ['use-existing.module.ts', 'UseExistingModule'],
    ['as-provider.module.ts', 'AsProviderModule'],
  ])('boots %s', async (file, name) => {
    const { [name]: module } = (await import(`${configuration}/${file}`)) as Record<string, Type>;
    const app = await start([module!]);
    app.get(CaptureService).capture({ event: 'page_view', distinctId: 'user_123' });
    await app.close();
    expect(posthog.rows).toMatchObject([{ event: 'page_view', distinct_id: 'user_123' }]);
  });
});

describe('docs/command-line.md', () => {
  it('sends an event, and shows the response', async () => {
    const blocks = codeBlocks('docs/command-line.md');
    const at = blocks.findIndex(({ code }) => code.startsWith('npx posthog-capture run'));
    const { stdout } = spawnSync('bash', ['-c', `npx() { printf '%s\\n' "$@"; }\n${blocks[at]!.code}`]);
    const [program, ...args] = stdout.toString().trimEnd().split('\n');
    const terminal = new ScriptedTerminal();

    expect(await runCli(args, terminal)).toBe(0);
    expect(program).toBe('posthog-capture');
    expect(terminal.stdout).toBe(blocks[at + 1]!.code);
    expect(posthog.rows).toMatchObject([{ event: 'page_view', properties: { page: '/' } }]);
  });
});
