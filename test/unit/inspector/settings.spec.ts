import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  resolveSettings,
  type PostHogCaptureInspectorExtras,
  type PostHogCaptureInspectorOptions,
} from '../../../lib/inspector/inspector.options.js';

const TOKEN = 'a-token-of-some-length';
const OFF =
  'The inspector is off: NODE_ENV is neither development nor test. Set it, or the option enabled: true, or configure a token or a guard.';
const guard = { canActivate: () => true };

describe('the settings of the inspector', () => {
  let environment: string | undefined;
  beforeEach(() => {
    environment = process.env.NODE_ENV;
  });
  afterEach(() => {
    process.env.NODE_ENV = environment;
  });

  it.each<[string | undefined, PostHogCaptureInspectorOptions, PostHogCaptureInspectorExtras, boolean, string]>([
    ['development', {}, {}, true, 'The inspector is available at /_posthog from this machine only.'],
    ['test', {}, {}, true, 'The inspector is available at /_posthog from this machine only.'],
    [undefined, {}, {}, false, OFF],
    ['', {}, {}, false, OFF],
    ['staging', {}, {}, false, OFF],
    ['prod', {}, {}, false, OFF],
    ['Production', {}, {}, false, 'The inspector is off: in production it requires a token or a guard.'],
    ['staging', { enabled: true }, {}, true, 'The inspector is available at /_posthog from this machine only.'],
    [undefined, { enabled: true }, {}, true, 'The inspector is available at /_posthog from this machine only.'],
    [
      'staging',
      { token: TOKEN },
      {},
      true,
      'The inspector is available at /_posthog from this machine only, protected by a token.',
    ],
    ['development', { enabled: false }, {}, false, 'The inspector is off: the option enabled is false.'],
    ['production', {}, {}, false, 'The inspector is off: in production it requires a token or a guard.'],
    [
      'production',
      { token: undefined },
      { guard: undefined },
      false,
      'The inspector is off: in production it requires a token or a guard.',
    ],
    [
      'production',
      { token: TOKEN },
      { path: 'internal/' },
      true,
      'The inspector is available at /internal from this machine only, protected by a token, in production.',
    ],
    [
      'production',
      { token: TOKEN, allowRemote: true },
      { guard },
      true,
      'The inspector is available at /_posthog from all machines, protected by a token and a guard, in production.',
    ],
    ['production', { enabled: false }, { guard }, false, 'The inspector is off: the option enabled is false.'],
  ])('in %s with %j', (nodeEnv, options, extras, isOn, bootMessage) => {
    if (nodeEnv === undefined) delete process.env.NODE_ENV;
    else process.env.NODE_ENV = nodeEnv;
    expect(resolveSettings(options, extras)).toMatchObject({ isOn, bootMessage });
    expect(bootMessage).not.toContain(TOKEN);
  });

  it('reports all problems at once, without secrets', () => {
    process.env.NODE_ENV = 'Production';
    const decide = () => resolveSettings({ enabled: true, allowRemote: true, maxEvents: 0, mask: [1] as never }, {});
    expect(decide).toThrow(/allowRemote: [^]*enabled: in production [^]*maxEvents: [^]*mask: /);
    expect(() => resolveSettings({ token: 'shortsecret' }, {})).toThrow(/^(?![^]*shortsecret)/);
  });
});
