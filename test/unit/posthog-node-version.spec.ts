import { Test } from '@nestjs/testing';
import { expect, it, jest } from '@jest/globals';
import { PostHogCaptureTestingModule } from 'nestjs-posthog-capture/testing';

let version: string | undefined;
class PostHog {
  getLibraryVersion(): string | undefined {
    return version;
  }
}
jest.unstable_mockModule('posthog-node', () => ({ PostHog }));
const { PostHogNodeModule } = await import('nestjs-posthog-capture/posthog-node');
const { requireVersion } = await import('../../lib/posthog-node/posthog-node-package.js');

it.each(['1.3.0', '4.18.0', '5.9.9', '5.55.3', '5.61.0', '6.0.0', undefined])(
  'stops the boot with posthog-node %s, and names the version to install',
  async (installed) => {
    version = installed;
    const imports = [PostHogCaptureTestingModule.forRoot(), PostHogNodeModule.forRoot()];
    const found = installed === undefined ? 'a version' : `version ${installed}`;
    await expect(Test.createTestingModule({ imports }).compile()).rejects.toThrow(
      `${found} of posthog-node is installed, whose events cannot be captured: npm install posthog-node@^5.61.1`,
    );
  },
);

it.each(['5.61.1', '5.61.10', '5.62.0', '5.70.0', '5.100.0', '5.62.0-beta.1'])(
  'accepts posthog-node %s',
  (installed) => {
    version = installed;
    expect(() => requireVersion(PostHog)).not.toThrow();
  },
);
