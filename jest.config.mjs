/** Nest 12 is ESM only, so the tests run as ESM: see scripts/test.mjs for the flag that Node 20 needs. */
export default {
  testEnvironment: 'node',
  roots: ['<rootDir>/test', '<rootDir>/sample'],
  testMatch: ['**/*.spec.ts'],
  extensionsToTreatAsEsm: ['.ts'],
  moduleNameMapper: {
    '^nestjs-posthog-capture$': '<rootDir>/lib/index.ts',
    '^nestjs-posthog-capture/flags$': '<rootDir>/lib/flags/index.ts',
    '^nestjs-posthog-capture/health$': '<rootDir>/lib/health/index.ts',
    '^nestjs-posthog-capture/inspector$': '<rootDir>/lib/inspector/index.ts',
    '^nestjs-posthog-capture/lmdb$': '<rootDir>/lib/stores/lmdb-event-store.ts',
    '^nestjs-posthog-capture/outbox$': '<rootDir>/lib/outbox/index.ts',
    '^nestjs-posthog-capture/redis$': '<rootDir>/lib/redis/redis-queue.ts',
    '^nestjs-posthog-capture/store$': '<rootDir>/lib/stores/file-event-store.ts',
    '^nestjs-posthog-capture/relay$': '<rootDir>/lib/relay/index.ts',
    '^nestjs-posthog-capture/serverless$': '<rootDir>/lib/serverless/index.ts',
    '^nestjs-posthog-capture/opentelemetry$': '<rootDir>/lib/opentelemetry/index.ts',
    '^nestjs-posthog-capture/posthog-node$': '<rootDir>/lib/posthog-node/index.ts',
    '^nestjs-posthog-capture/testing$': '<rootDir>/lib/testing/index.ts',
    '^nestjs-posthog-capture/testing/jest$': '<rootDir>/lib/testing/jest.ts',
    '^(\\.{1,2}/.*)\\.js$': '$1',
  },
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        jsc: {
          target: 'es2022',
          parser: { syntax: 'typescript', decorators: true },
          transform: { legacyDecorator: true, decoratorMetadata: true },
          keepClassNames: true,
        },
        module: { type: 'es6' },
        sourceMaps: 'inline',
      },
    ],
  },
  setupFiles: ['<rootDir>/test/support/setup.ts'],
  setupFilesAfterEnv: ['<rootDir>/test/support/watch-output.ts'],
  // Hand-made class tokens and AsyncLocalStorage live on globalThis: one per test file.
  testTimeout: 120_000,
  // Each file leaves its modules in the worker, and its AsyncLocalStorages, whose stores Node 20 passes on to each promise of later files.
  workerIdleMemoryLimit: '400MB',
  // In CI a run must end, even if a test that failed left something open. Elsewhere, that shows.
  forceExit: process.env.CI !== undefined,
};
