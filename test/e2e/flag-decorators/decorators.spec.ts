import { Controller, Get, Injectable, Query } from '@nestjs/common';
import { EventEmitterModule, OnEvent } from '@nestjs/event-emitter';
import { Cron, ScheduleModule } from '@nestjs/schedule';
import { DocumentBuilder, SwaggerModule } from '@nestjs/swagger';
import { Test } from '@nestjs/testing';
import { PostHogCaptureModule, PostHogConfigurationError } from 'nestjs-posthog-capture';
import {
  FeatureFlags,
  FeatureFlagsTestingModule,
  Flag,
  type FlagOptions,
  RequireFlag,
  type RequireFlagOptions,
  TestFeatureFlags,
} from 'nestjs-posthog-capture/flags';
import { closeAll, KEY } from '../../support/harness.js';
import { serve, type Served } from '../../support/serve.js';
import { flagsOf, StandInClient } from '../../support/flag-client.js';

@Controller()
class Routes {
  @Get('guarded')
  @RequireFlag('beta', { defaultValue: true })
  guarded() {
    return {};
  }

  @Get('value')
  value(@Flag('color', { defaultValue: 'control' }) color: string, @Query('q') q?: string) {
    return { color, q };
  }
}

@Controller('named')
class Named {
  @Get('guarded')
  @RequireFlag('beta', { name: 'billing' })
  guarded() {
    return {};
  }

  @Get('value')
  value(@Flag('color', { name: 'billing', defaultValue: 'control' }) color: string) {
    return { color };
  }
}

async function get({ url }: Served, path: string): Promise<{ status: number; body: unknown }> {
  const response = await fetch(`${url}/${path}`);
  return { status: response.status, body: await response.json() };
}

afterEach(closeAll);

it('without FeatureFlagsModule calls are denied, parameters have their defaults, and one warning is logged', async () => {
  const served = await serve({ controllers: [Routes] });
  for (let index = 0; index < 2; index++) {
    expect((await get(served, 'guarded')).status).toBe(404);
    expect(await get(served, 'value')).toEqual({ status: 200, body: { color: 'control' } });
  }
  const warnings = served.lines.filter((line) => line.includes('FeatureFlags'));
  expect(warnings).toEqual([
    '@RequireFlag("beta") denied the call: there is no FeatureFlags service. Import FeatureFlagsModule.forRoot().',
  ]);
});

it('without PostHogCaptureModule as well', async () => {
  const served = await serve({ controllers: [Routes], without: true });
  expect((await get(served, 'guarded')).status).toBe(404);
  expect(await get(served, 'value')).toEqual({ status: 200, body: { color: 'control' } });
});

it('a unit test of a controller needs neither module', async () => {
  const module = await Test.createTestingModule({ controllers: [Routes] }).compile();
  expect(module.get(Routes).value('blue')).toEqual({ color: 'blue', q: undefined });
  await module.close();
});

it('named instances have flags of their own', async () => {
  const flags = new StandInClient();
  const ofBilling = new StandInClient();
  ofBilling.set('beta', true);
  ofBilling.set('color', 'blue');
  const served = await serve({
    controllers: [Routes, Named],
    posthog: { identity: () => 'ann' },
    imports: [
      flagsOf(flags),
      PostHogCaptureModule.forRoot({ name: 'billing', apiKey: KEY, identity: () => 'ben' }),
      flagsOf(ofBilling, 'billing'),
    ],
  });
  expect((await get(served, 'named/guarded')).status).toBe(200);
  expect((await get(served, 'named/value')).body).toEqual({ color: 'blue' });
  expect((await get(served, 'value')).body).toEqual({ color: 'control' });
  expect(new Set(ofBilling.asked)).toEqual(new Set(['ben: beta color']));
  expect(flags.asked).toEqual(['ann: beta color']);
});

it('works with FeatureFlagsTestingModule', async () => {
  const served = await serve({
    controllers: [Routes],
    imports: [FeatureFlagsTestingModule.forRoot({ beta: true, color: 'blue' })],
  });
  expect((await get(served, 'guarded')).status).toBe(200);
  expect((await get(served, 'value')).body).toEqual({ color: 'blue' });
  served.app.get(TestFeatureFlags).set({ beta: false });
  expect((await get(served, 'guarded')).status).toBe(404);
});

it('a named instance that does not exist is named in the warning', async () => {
  const served = await serve({ controllers: [Named], imports: [flagsOf(new StandInClient())] });
  expect((await get(served, 'named/guarded')).status).toBe(404);
  expect((await get(served, 'named/value')).body).toEqual({ color: 'control' });
  expect(served.lines.filter((line) => line.includes('FeatureFlags'))).toEqual([
    '@RequireFlag("beta") denied the call: there is no FeatureFlags service named "billing". Import FeatureFlagsModule.forRoot({ name: "billing" }).',
  ]);
});

it('a service that throws gives defaults', async () => {
  const failing = {
    value: () => Promise.reject(new TypeError('secret')),
    isEnabled: () => {
      throw new TypeError('secret');
    },
  };
  const served = await serve({ controllers: [Routes], providers: [{ provide: FeatureFlags, useValue: failing }] });
  expect((await get(served, 'guarded')).status).toBe(200);
  expect((await get(served, 'value')).body).toEqual({ color: 'control' });
  const warnings = served.lines.filter((line) => line.includes('default value'));
  expect(warnings).toHaveLength(2);
  for (const warning of warnings) expect(warning).toContain('FeatureFlags threw TypeError');
});

it('an automatic mock of the service denies, and gives defaults', async () => {
  const served = await serve({
    controllers: [Routes],
    providers: [{ provide: FeatureFlags, useValue: { isEnabled: () => undefined, value: () => undefined } }],
  });
  expect((await get(served, 'guarded')).status).toBe(404);
  expect((await get(served, 'value')).body).toEqual({ color: 'control' });
});

it('a handler has the same entry in Swagger', async () => {
  @Controller()
  class Plain {
    @Get('guarded')
    guarded() {
      return {};
    }

    @Get('value')
    value(@Query('q') q?: string) {
      return { q };
    }
  }
  const document = async (controller: new () => object) => {
    const { app } = await serve({ controllers: [controller] });
    const { paths } = SwaggerModule.createDocument(app, new DocumentBuilder().build());
    return JSON.parse(JSON.stringify(paths).replaceAll('Plain', 'Routes')) as unknown;
  };
  expect(await document(Routes)).toEqual(await document(Plain));
});

it('warns at boot of methods where Nest runs neither guards nor parameter decorators', async () => {
  @Injectable()
  class Tasks {
    @OnEvent('paid')
    @RequireFlag('beta')
    paid() {
      return {};
    }

    @Cron('0 0 1 1 *')
    yearly(@Flag('color') color: unknown) {
      return color;
    }
  }
  const { lines } = await serve({
    controllers: [Routes],
    providers: [Tasks],
    imports: [flagsOf(new StandInClient()), EventEmitterModule.forRoot(), ScheduleModule.forRoot()],
  });
  const reason = 'has no effect: Nest runs neither guards nor parameter decorators there. Inject FeatureFlags instead.';
  expect(lines.filter((line) => line.includes('has no effect'))).toEqual([
    `@RequireFlag("beta") on Tasks.paid() ${reason}`,
    `@Flag("color") on Tasks.yearly() ${reason}`,
  ]);
});

describe('mistakes are reported when the class is loaded', () => {
  it.each([
    ['', {}, '@RequireFlag(""): the key of the flag must be a non-blank string'],
    [undefined, {}, '@RequireFlag(undefined): the key of the flag must be a non-blank string'],
    ['a', null, '@RequireFlag("a"): the options must be an object'],
    ['a', { variant: true }, '@RequireFlag("a"): variant: expected the name of a variant'],
    ['a', { defaultValue: 'on' }, '@RequireFlag("a"): defaultValue: expected a boolean'],
    ['a', { otherwise: 404 }, '@RequireFlag("a"): otherwise: expected not_found, forbidden or a function'],
    ['a', { name: 1 }, '@RequireFlag("a"): name: expected the name of an instance'],
    ['a', { defaultvalue: true }, '@RequireFlag("a"): there is no option defaultvalue; did you mean defaultValue?'],
  ])('@RequireFlag(%j, %j)', (key, options, problem) => {
    const decorate = () => RequireFlag(key as string, options as RequireFlagOptions);
    expect(decorate).toThrow(PostHogConfigurationError);
    expect(decorate).toThrow(problem);
  });

  it.each([
    [' ', {}, '@Flag(" "): the key of the flag must be a non-blank string'],
    ['a', { defaultValue: 7 }, '@Flag("a"): defaultValue: expected a boolean or a string'],
    ['a', { default: true }, '@Flag("a"): there is no option default'],
  ])('@Flag(%j, %j)', (key, options, problem) => {
    const decorate = () => Flag(key, options as FlagOptions);
    expect(decorate).toThrow(PostHogConfigurationError);
    expect(decorate).toThrow(problem);
  });
});
