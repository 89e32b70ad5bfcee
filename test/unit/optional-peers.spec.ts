import { Test } from '@nestjs/testing';
import { expect, it, jest } from '@jest/globals';
import { PostHogCaptureTestingModule } from 'nestjs-posthog-capture/testing';

const absent = (name: string): void => {
  jest.unstable_mockModule(name, () => {
    throw new Error(`Cannot find package '${name}'`);
  });
};
absent('@nestjs/terminus');
absent('@opentelemetry/api');
absent('posthog-node');
// Each loads without its peer: an application may share a file with one that has it.
const { PostHogCaptureHealthModule } = await import('nestjs-posthog-capture/health');
const { PostHogNodeModule } = await import('nestjs-posthog-capture/posthog-node');
const { PostHogCaptureMetricsModule } = await import('nestjs-posthog-capture/opentelemetry');

it.each([
  ['@nestjs/terminus', PostHogCaptureHealthModule],
  ['@opentelemetry/api', PostHogCaptureMetricsModule.forRoot()],
  ['posthog-node', PostHogNodeModule.forRoot()],
])('stops the boot with the name of the package where %s is missing', async (name, module) => {
  const builder = Test.createTestingModule({ imports: [PostHogCaptureTestingModule.forRoot(), module] });
  const boot = async (): Promise<void> => {
    const app = await builder.compile();
    await app.init();
  };
  await expect(boot()).rejects.toThrow(`the package ${name} cannot be loaded: npm install ${name}`);
});
