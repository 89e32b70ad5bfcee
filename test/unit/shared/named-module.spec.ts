import { type DynamicModule } from '@nestjs/common';
import { describe, expect, it } from '@jest/globals';
import { PostHogCaptureModule, PostHogConfigurationError } from 'nestjs-posthog-capture';
import { FeatureFlagsModule } from 'nestjs-posthog-capture/flags';
import { PostHogCaptureInspectorModule } from 'nestjs-posthog-capture/inspector';
import { PostHogOutboxModule } from 'nestjs-posthog-capture/outbox';
import { PostHogNodeModule } from 'nestjs-posthog-capture/posthog-node';
import { PostHogRelayModule } from 'nestjs-posthog-capture/relay';
import { PostHogCaptureTestingModule } from 'nestjs-posthog-capture/testing';

function thrownBy(call: () => DynamicModule): unknown {
  try {
    return call();
  } catch (error) {
    return error;
  }
}

describe('forRootAsync', () => {
  const modules = [
    PostHogCaptureModule,
    PostHogCaptureTestingModule,
    PostHogRelayModule,
    PostHogOutboxModule,
    FeatureFlagsModule,
    PostHogNodeModule,
    PostHogCaptureInspectorModule,
  ];
  it.each(modules.map((module) => [module.name, module] as const))(
    'of %s refuses options without a factory',
    (_, module) => {
      const error = thrownBy(() => module.forRootAsync({}));
      expect(error).toBeInstanceOf(PostHogConfigurationError);
      expect((error as PostHogConfigurationError).problems).toEqual([
        'forRootAsync: expected useFactory, useClass or useExisting',
      ]);
    },
  );
});

/** Calls as JavaScript, and TypeScript with a cast, can make them. */
const refusedBy = (method: 'forRoot' | 'forRootAsync', argument: unknown): readonly string[] => {
  const error = thrownBy(() => Reflect.apply(PostHogCaptureModule[method], PostHogCaptureModule, [argument]) as never);
  expect(error).toBeInstanceOf(PostHogConfigurationError);
  return (error as PostHogConfigurationError).problems;
};

describe('an argument that has no effect is refused', () => {
  const useFactory = () => ({});

  it.each([
    [null, 'null'],
    ['phc_key', 'a string of 7 bytes'],
    [[], 'an array'],
    [5, 'a number'],
  ])('%j instead of options', (argument, shown) => {
    expect(refusedBy('forRoot', argument)).toEqual([`forRoot: expected an object of options, but it is ${shown}`]);
    expect(refusedBy('forRootAsync', argument)).toEqual([
      `forRootAsync: expected an object of options, but it is ${shown}`,
    ]);
  });

  it('no options at all for forRootAsync', () => {
    expect(refusedBy('forRootAsync', undefined)).toEqual([
      'forRootAsync: expected an object of options, but it is missing',
    ]);
  });

  it.each(['flushAt', 'apiKey'])('%s next to the factory', (option) => {
    expect(refusedBy('forRootAsync', { useFactory, name: 'billing', [option]: 5 })).toEqual([
      `forRootAsync: ${option} has no effect next to useFactory, useClass or useExisting: return it from there`,
    ]);
    expect(() => PostHogCaptureModule.forRootAsync({ useFactory, name: undefined, [option]: undefined })).not.toThrow();
  });

  it('a key as the name of an option, without showing it', () => {
    const [problem] = refusedBy('forRootAsync', { useFactory, phc_secret: 1 });
    expect(problem).not.toContain('secret');
  });

  it('two sources of options', () => {
    expect(refusedBy('forRootAsync', { useFactory, useExisting: PostHogCaptureModule })).toEqual([
      'forRootAsync: expected one of useFactory, useClass and useExisting, but there are several',
    ]);
  });

  it('a factory that is no function', () => {
    expect(refusedBy('forRootAsync', { useFactory: {} })).toEqual([
      'forRootAsync: expected useFactory to be a function, but it is an object',
    ]);
  });

  it.each([
    [5, 'a number'],
    [null, 'null'],
    [{}, 'an object'],
  ])('the name %j', (name, shown) => {
    const problem = `PostHogCaptureModule: expected name to be a string, but it is ${shown}`;
    expect(refusedBy('forRoot', { name })).toEqual([problem]);
    expect(refusedBy('forRootAsync', { name, useFactory })).toEqual([problem]);
  });
});

describe('the deprecated alias of name', () => {
  const names = { name: 'billing', instance: 'other' };
  it.each([
    ['forRoot of FeatureFlagsModule', 'FeatureFlagsModule', () => FeatureFlagsModule.forRoot(names)],
    ['forRoot of PostHogNodeModule', 'PostHogNodeModule', () => PostHogNodeModule.forRoot(names)],
    [
      'forRootAsync of PostHogNodeModule',
      'PostHogNodeModule',
      () => PostHogNodeModule.forRootAsync({ ...names, useFactory: () => ({}) }),
    ],
  ])('must not differ from name in %s', (_, module, call) => {
    expect((thrownBy(call) as PostHogConfigurationError).problems).toEqual([
      `${module}: name is "billing", but instance, its deprecated alias, is "other": give name only`,
    ]);
  });
});
