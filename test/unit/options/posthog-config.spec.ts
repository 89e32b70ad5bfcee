import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Inject, Module, type DynamicModule } from '@nestjs/common';
import { ConfigModule, ConfigService } from '@nestjs/config';
import { Test } from '@nestjs/testing';
import { resolveOptions } from '../../../lib/options/resolve-options.js';
import { posthogConfig } from '../../../lib/options/posthog-capture.config.js';
import {
  ConfigurableModuleClass,
  MODULE_OPTIONS_TOKEN,
  type PostHogCaptureModuleExtras,
  type PostHogCaptureOptionsFactory,
} from '../../../lib/module/posthog-capture.module-definition.js';
import { type PostHogCaptureModuleOptions } from '../../../lib/options/posthog-capture.options.js';
import { KEY, problemsOf } from './helpers.js';

@Module({})
class CaptureModule extends ConfigurableModuleClass {
  static override forRoot(options: PostHogCaptureModuleOptions & PostHogCaptureModuleExtras = {}): DynamicModule {
    return super.forRoot(options);
  }
}

/** Returns the options that the module is given in an application with these imports. */
async function givenTo(...imports: (DynamicModule | Promise<DynamicModule>)[]): Promise<unknown> {
  const app = await Test.createTestingModule({ imports }).compile();
  const given: unknown = app.get(MODULE_OPTIONS_TOKEN, { strict: false });
  await app.close();
  return given;
}

const before = process.env;
beforeEach(() => {
  process.env = { PATH: before['PATH'] };
});
afterEach(() => {
  process.env = before;
});

describe('posthogConfig', () => {
  it('contains the parsed values of the variables that are set', () => {
    Object.assign(process.env, { POSTHOG_API_KEY: ` ${KEY}`, POSTHOG_FLUSH_AT: '7', POSTHOG_HOST: '' });
    expect(posthogConfig()).toEqual({ apiKey: KEY, flushAt: 7 });
  });

  it('keeps invalid text, which the boot error reports', () => {
    Object.assign(process.env, { POSTHOG_API_KEY: KEY, POSTHOG_FLUSH_AT: '5s', POSTHOG_ENABLED: 'maybe' });
    expect(problemsOf({ explicit: posthogConfig() })).toEqual([
      'enabled (POSTHOG_ENABLED): got "maybe"; expected true or false',
      'flushAt (POSTHOG_FLUSH_AT): got "5s"; expected a whole number of events, 1 or more',
    ]);
  });

  it.each([
    ['forRoot({ load })', () => ConfigModule.forRoot({ ignoreEnvFile: true, load: [posthogConfig] })],
    ['forFeature', () => ConfigModule.forFeature(posthogConfig)],
  ])('is the posthog namespace through ConfigModule.%s', async (_, imports) => {
    Object.assign(process.env, { POSTHOG_API_KEY: KEY, POSTHOG_ENABLED: 'off' });
    const app = await Test.createTestingModule({ imports: [await imports()] }).compile();
    const config = app.get(ConfigService, { strict: false });
    expect(config.get('posthog')).toEqual({ apiKey: KEY, enabled: false });
    expect(resolveOptions({ config }).options).toMatchObject({ apiKey: KEY, enabled: false });
    await app.close();
  });

  it('is read after ConfigModule has loaded its files, not on import', async () => {
    const load = ConfigModule.forRoot({
      ignoreEnvFile: true,
      load: [posthogConfig],
      validate: () => ({ POSTHOG_API_KEY: KEY, POSTHOG_FLUSH_AT: 9 }),
    });
    const app = await Test.createTestingModule({ imports: [await load] }).compile();
    expect(app.get(ConfigService).get('posthog')).toEqual({ apiKey: KEY, flushAt: 9 });
    await app.close();
  });

  it('can be passed to forRootAsync with asProvider()', async () => {
    Object.assign(process.env, { POSTHOG_API_KEY: KEY, POSTHOG_CONCURRENCY: '2' });
    expect(await givenTo(CaptureModule.forRootAsync(posthogConfig.asProvider()))).toEqual({
      apiKey: KEY,
      concurrency: 2,
    });
  });
});

describe('plain variables through a real ConfigService', () => {
  it('are read from the process and from the result of a validation', async () => {
    process.env['POSTHOG_API_KEY'] = KEY;
    const imports = [await ConfigModule.forRoot({ ignoreEnvFile: true, validate: () => ({ POSTHOG_FLUSH_AT: 9 }) })];
    const app = await Test.createTestingModule({ imports }).compile();
    expect(resolveOptions({ config: app.get(ConfigService) }).options).toMatchObject({ apiKey: KEY, flushAt: 9 });
    await app.close();
  });
});

describe('the module definition', () => {
  class Factory implements PostHogCaptureOptionsFactory {
    createPostHogCaptureOptions(): PostHogCaptureModuleOptions {
      return { apiKey: KEY };
    }
  }
  class Injecting implements PostHogCaptureOptionsFactory {
    constructor(@Inject(posthogConfig.KEY) private readonly config: PostHogCaptureModuleOptions) {}
    createPostHogCaptureOptions(): Promise<PostHogCaptureModuleOptions> {
      return Promise.resolve(this.config);
    }
  }

  it('provides the options without name and isGlobal', async () => {
    expect(await givenTo(CaptureModule.forRoot({ apiKey: KEY, name: 'billing', isGlobal: false }))).toEqual({
      apiKey: KEY,
    });
    expect(await givenTo(CaptureModule.forRoot())).toEqual({});
  });

  it('accepts useFactory and useClass, with imports', async () => {
    process.env['POSTHOG_API_KEY'] = KEY;
    const imports = [ConfigModule.forFeature(posthogConfig)];
    expect(await givenTo(CaptureModule.forRootAsync({ useFactory: () => ({ apiKey: KEY }) }))).toEqual({ apiKey: KEY });
    expect(await givenTo(CaptureModule.forRootAsync({ useClass: Factory }))).toEqual({ apiKey: KEY });
    expect(await givenTo(CaptureModule.forRootAsync({ imports, useClass: Injecting }))).toEqual({ apiKey: KEY });
  });

  it.each([
    [{}, true],
    [{ isGlobal: undefined }, true],
    [{ isGlobal: true }, true],
    [{ isGlobal: false }, false],
  ])('with %j is global: %s', (extras, global) => {
    expect(CaptureModule.forRoot(extras).global).toBe(global);
    expect(CaptureModule.forRootAsync({ useFactory: () => ({}), ...extras }).global).toBe(global);
  });
});
