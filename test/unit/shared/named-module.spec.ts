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
