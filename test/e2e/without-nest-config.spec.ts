import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DynamicModule } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { FakePostHog } from 'nestjs-posthog-capture/testing';
import { ScriptedTerminal } from '../support/scripted-terminal.js';
import { KEY } from '../support/secrets.js';

/** What the module system throws for `import('@nestjs/config')`. */
let failure: Error;
jest.unstable_mockModule('@nestjs/config', () => {
  throw failure;
});
const { CaptureService, PostHogCaptureModule, posthogConfig } = await import('nestjs-posthog-capture');
const { loadNestConfig } = await import('../../lib/options/nest-config.js');
const { runCli } = await import('../../lib/cli/cli.js');

const failed = (message: string, code?: string): Error => Object.assign(new Error(message), { code });
const MISSING = failed("Cannot find package '@nestjs/config' imported from /app/index.js", 'ERR_MODULE_NOT_FOUND');
const MUST_IMPORT = failed('Must use import to load ES Module: /app/node_modules/@nestjs/config/dist/index.js');

const environment = { ...process.env };
let posthog: FakePostHog;

beforeEach(async () => {
  failure = MISSING;
  posthog = await FakePostHog.start({ apiKey: KEY });
  Object.assign(process.env, { POSTHOG_API_KEY: KEY, POSTHOG_HOST: posthog.url });
});
afterEach(async () => {
  process.env = { ...environment };
  await posthog.close();
});

const boot = (...imports: DynamicModule[]) => Test.createTestingModule({ imports }).compile();

describe('without @nestjs/config', () => {
  it('options come from code and from the environment', async () => {
    const app = await boot(
      PostHogCaptureModule.forRoot(),
      PostHogCaptureModule.forRootAsync({ name: 'billing', useFactory: () => ({ apiKey: KEY, host: posthog.url }) }),
    );
    app.get(CaptureService).capture({ event: 'order_placed', distinctId: 'user_1' });
    await app.close();
    expect(posthog.rows).toMatchObject([{ event: 'order_placed' }]);
  });

  it('posthogConfig.asProvider() names the package at boot', async () => {
    await expect(boot(PostHogCaptureModule.forRootAsync(posthogConfig.asProvider()))).rejects.toThrow(
      'posthogConfig.asProvider() needs the package @nestjs/config',
    );
  });

  it('posthog-capture reads .env', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'posthog-capture-env-'));
    const before = process.cwd();
    process.env = { ...environment };
    try {
      process.chdir(folder);
      writeFileSync('.env', `POSTHOG_API_KEY=${KEY}\nPOSTHOG_HOST="${posthog.url}"\n`);
      const terminal = new ScriptedTerminal();
      expect(await runCli(['run', '--event', 'page_view', '--distinct-id', 'user_1'], terminal)).toBe(0);
      expect(posthog.rows).toMatchObject([{ event: 'page_view' }]);
    } finally {
      process.chdir(before);
      rmSync(folder, { recursive: true });
    }
  });
});

describe('loading @nestjs/config', () => {
  it.each([
    ['Node.js, ES modules', MISSING],
    [
      'Node.js, CommonJS',
      failed("Cannot find module '@nestjs/config'\nRequire stack:\n- /app/index.js", 'MODULE_NOT_FOUND'),
    ],
    ['Jest', failed("Cannot find module '@nestjs/config' from 'node_modules/a/index.js'", 'MODULE_NOT_FOUND')],
    [
      'Yarn',
      failed(
        "nestjs-posthog-capture tried to access @nestjs/config (a peer dependency) but it isn't provided by your application",
        'MODULE_NOT_FOUND',
      ),
    ],
  ])('finds that it is not installed: %s', async (_, error) => {
    failure = error;
    expect(await loadNestConfig()).toBeUndefined();
  });

  const BROKEN = [
    MUST_IMPORT,
    failed(
      "Cannot find package 'dotenv' imported from /app/node_modules/@nestjs/config/index.js",
      'ERR_MODULE_NOT_FOUND',
    ),
    failed("Cannot find module '/app/node_modules/@nestjs/config/dist/index.js'", 'MODULE_NOT_FOUND'),
    failed("The requested module '@nestjs/common' does not provide an export named 'X'"),
  ];
  it.each(BROKEN.map((error) => [error.message, error] as const))(
    'stops the boot, with the remedy: %s',
    async (_, error) => {
      failure = error;
      const booted = boot(PostHogCaptureModule.forRoot());
      await expect(booted).rejects.toThrow(`nestjs-posthog-capture cannot load @nestjs/config: ${error.message}`);
      await expect(booted).rejects.toThrow(
        /Nest 10 and 11: npm install @nestjs\/config@4\n {2}Nest 12: npm install @nestjs\/config@12/,
      );
    },
  );
});
