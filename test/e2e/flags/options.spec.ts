import { ConfigModule } from '@nestjs/config';
import { type DynamicModule, Injectable } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { PostHogCaptureModule } from 'nestjs-posthog-capture';
import {
  FeatureFlags,
  FeatureFlagsModule,
  type FeatureFlagsModuleOptions,
  getFeatureFlagsToken,
  InjectFeatureFlags,
} from 'nestjs-posthog-capture/flags';
import { closeAll, KEY, onClose } from '../../support/harness.js';
import { watch } from '../../support/secrets.js';
import { SECRET_KEY } from '../../support/flags.js';

afterEach(closeAll);

const capture = (name?: string): DynamicModule =>
  PostHogCaptureModule.forRoot({ apiKey: KEY, host: 'http://127.0.0.1:1', ...(name !== undefined && { name }) });

async function boot(...imports: (DynamicModule | Promise<DynamicModule>)[]) {
  const module = await Test.createTestingModule({ imports }).compile();
  await module.init();
  onClose(() => module.close());
  return module;
}

/** The message of the error at boot. */
async function refusal(...imports: (DynamicModule | Promise<DynamicModule>)[]): Promise<string> {
  const error: unknown = await boot(...imports).then(
    () => new Error('it has started'),
    (thrown: unknown) => thrown,
  );
  watch('an error at boot', error, [KEY, SECRET_KEY, 'phc_other_key']);
  return String(error);
}

const source = (module: Awaited<ReturnType<typeof boot>>): unknown => module.get(FeatureFlags).state.definitionsEveryMs;

describe('the secret key', () => {
  it('comes from the option, ConfigService, or the variable of the instance', async () => {
    const config = (values: object): Promise<DynamicModule> =>
      ConfigModule.forRoot({ ignoreEnvFile: true, isGlobal: true, load: [() => values] });
    expect(source(await boot(capture(), FeatureFlagsModule.forRoot()))).toBeNull();
    expect(source(await boot(capture(), FeatureFlagsModule.forRoot({ secretKey: SECRET_KEY })))).toBe(300_000);
    expect(
      source(
        await boot(await config({ POSTHOG_SECRET_KEY: ` ${SECRET_KEY} ` }), capture(), FeatureFlagsModule.forRoot()),
      ),
    ).toBe(300_000);
    expect(
      source(await boot(await config({ posthog: { secretKey: SECRET_KEY } }), capture(), FeatureFlagsModule.forRoot())),
    ).toBe(300_000);
    const named = await boot(
      await config({ POSTHOG_SECRET_KEY: 'phc_other_key', POSTHOG_BILLING_EU_SECRET_KEY: 'phx_personal' }),
      capture('billing-eu'),
      FeatureFlagsModule.forRoot({ name: 'billing-eu' }),
    );
    expect(named.get<FeatureFlags>(getFeatureFlagsToken('billing-eu')).state.definitionsEveryMs).toBe(300_000);
  });

  it('must not be the project API key', async () => {
    const message = await refusal(capture(), FeatureFlagsModule.forRoot({ secretKey: 'phc_other_key' }));
    expect(message).toContain(
      'secretKey (POSTHOG_SECRET_KEY): got the project API key (phc_…), which is public; expected a secret key of the project (phs_…)',
    );
  });
});

it('lists all problems of the options at boot', async () => {
  const message = await refusal(
    capture(),
    FeatureFlagsModule.forRoot({
      secretKey: 'two words',
      timeoutMs: 0,
      coolDownMs: -1,
      localOnly: 'yes',
      attach: 'all',
      keys: ['a', ''],
      definitions: { everyMs: 0 },
      person: () => ({}),
      group: 'x',
      client: {},
      timeoutMS: 3,
      x: 1,
    } as unknown as FeatureFlagsModuleOptions),
  );
  for (const problem of [
    'secretKey (POSTHOG_SECRET_KEY): got a string of 9 characters',
    'timeoutMs: got 0; expected a whole number of milliseconds from 1',
    'coolDownMs: got -1',
    'localOnly: got "yes"; expected true or false',
    'attach: got "all"; expected one of read, none',
    'keys: got an array of 2',
    'definitions: got an object',
    'group: got "x"; expected a synchronous function',
    'client: got an object; expected a client of posthog-node',
    'no option timeoutMS; did you mean timeoutMs?',
    'no option x',
  ])
    expect(message).toContain(problem);
  expect(message).not.toContain('person:');
});

it.each<[string, FeatureFlagsModuleOptions, RegExp]>([
  ['localOnly without definitions', { localOnly: true }, /localOnly: .* set secretKey or definitions.cache/],
  [
    'a client with a secret key beside it',
    {
      client: { evaluateFlags: () => null, isLocalEvaluationReady: () => false, on: () => null } as never,
      secretKey: SECRET_KEY,
    },
    /client: it loads its own definitions/,
  ],
])('refuses %s', async (_what, options, problem) => {
  expect(await refusal(capture(), FeatureFlagsModule.forRoot(options))).toMatch(problem);
});

it('refuses to start without an instance', async () => {
  expect(await refusal(FeatureFlagsModule.forRoot())).toContain('import PostHogCaptureModule.forRoot()');
  expect(await refusal(capture(), FeatureFlagsModule.forRoot({ name: 'billing' }))).toContain(
    'import PostHogCaptureModule.forRoot({ name: "billing" })',
  );
});

it('takes options from a factory, and serves several instances', async () => {
  @Injectable()
  class Reader {
    constructor(
      readonly flags: FeatureFlags,
      @InjectFeatureFlags('billing') readonly billing: FeatureFlags,
    ) {}
  }
  const module = await Test.createTestingModule({
    imports: [
      capture(),
      capture('billing'),
      FeatureFlagsModule.forRoot(),
      FeatureFlagsModule.forRootAsync({
        name: 'billing',
        useFactory: () => Promise.resolve({ secretKey: SECRET_KEY, definitions: { everyMs: 1000 } }),
      }),
    ],
    providers: [Reader],
  }).compile();
  await module.init();
  onClose(() => module.close());
  const { flags, billing } = module.get(Reader);
  expect([flags.state.definitionsEveryMs, billing.state.definitionsEveryMs]).toEqual([null, 1000]);
  expect(
    await refusal(capture(), FeatureFlagsModule.forRootAsync({ useFactory: () => ({ name: 'x' }) as never })),
  ).toContain('no option name; in forRootAsync pass it next to useFactory');
});

it('works with an instance that is not global', async () => {
  const module = await boot(
    PostHogCaptureModule.forRoot({ apiKey: KEY, host: 'http://127.0.0.1:1', isGlobal: false }),
    FeatureFlagsModule.forRoot(),
  );
  expect(module.get(FeatureFlags).state.source).toBe('remote');
});
