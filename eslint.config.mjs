import { readdirSync } from 'node:fs';
import eslint from '@eslint/js';
import { createTypeScriptImportResolver } from 'eslint-import-resolver-typescript';
import importX from 'eslint-plugin-import-x';
import tseslint from 'typescript-eslint';

/**
 * The rooms of lib/ and what each may import besides itself: module -> tracking -> capture -> options -> context, wire -> delivery.
 * A room that is missing here, or an import that is not listed, is an error.
 */
const MAY_IMPORT = {
  shared: [],
  setup: ['shared'],
  json: ['shared'],
  delivery: [],
  records: ['delivery'],
  queue: ['delivery'],
  wire: ['delivery', 'shared'],
  context: ['json', 'shared'],
  events: ['context', 'json', 'shared'],
  options: ['events', 'context', 'queue', 'wire', 'delivery', 'json', 'shared'],
  capture: ['events', 'options', 'context', 'queue', 'wire', 'delivery', 'json', 'shared'],
  tracking: ['capture', 'events', 'options', 'context', 'shared'],
  stores: ['options', 'records', 'delivery', 'shared'],
  redis: ['options', 'queue', 'records', 'delivery', 'shared'],
  crash: ['capture', 'options', 'wire', 'delivery', 'shared'],
  module: [
    'crash',
    'redis',
    'tracking',
    'capture',
    'events',
    'options',
    'context',
    'queue',
    'wire',
    'delivery',
    'stores',
    'shared',
  ],
  outbox: ['module', 'capture', 'options', 'queue', 'records', 'wire', 'delivery', 'json', 'shared'],
  relay: ['module', 'capture', 'options', 'queue', 'wire', 'delivery', 'shared'],
  health: ['capture', 'queue', 'shared'],
  opentelemetry: ['capture', 'queue', 'delivery', 'shared'],
  'posthog-node': ['capture', 'options', 'context', 'delivery', 'json', 'shared'],
  flags: ['posthog-node', 'module', 'tracking', 'capture', 'options', 'context', 'delivery', 'json', 'shared'],
  serverless: ['tracking', 'capture', 'options', 'delivery', 'shared'],
  live: [],
  inspector: ['live', 'health', 'tracking', 'capture', 'events', 'options', 'context', 'queue', 'delivery', 'shared'],
  testing: ['live', 'module', 'tracking', 'capture', 'events', 'options', 'context', 'wire', 'delivery', 'shared'],
  cli: [
    'outbox',
    'setup',
    'testing',
    'relay',
    'health',
    'redis',
    'module',
    'capture',
    'events',
    'options',
    'queue',
    'wire',
    'delivery',
    'json',
    'shared',
  ],
};
/** Likewise for the folders of lib/tracking: they may not import its files outside of folders, which may import all of them. */
const TRACKING_MAY_IMPORT = {
  call: [],
  propagation: ['call'],
  exceptions: ['call', 'propagation', 'http'],
  http: ['call', 'propagation'],
};
/** Likewise for the folders of lib/capture. */
const CAPTURE_MAY_IMPORT = {
  exception: [],
};
const zones = [
  ...readdirSync(new URL('lib', import.meta.url), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name: room }) => ({
      target: `./lib/${room}`,
      from: './lib',
      except: [room, ...(MAY_IMPORT[room] ?? [])].map((allowed) => `./${allowed}`),
      message: `${room}/ may import ${MAY_IMPORT[room]?.join(', ') || 'nothing but itself'}: see MAY_IMPORT in eslint.config.mjs.`,
    })),
  ...Object.entries(TRACKING_MAY_IMPORT).map(([folder, allowed]) => ({
    target: `./lib/tracking/${folder}`,
    from: './lib/tracking',
    except: [folder, ...allowed].map((one) => `./${one}`),
    message: `tracking/${folder}/ may import ${allowed.join(', ') || 'nothing but itself'} of tracking/: see TRACKING_MAY_IMPORT in eslint.config.mjs.`,
  })),
  ...Object.entries(CAPTURE_MAY_IMPORT).map(([folder, allowed]) => ({
    target: `./lib/capture/${folder}`,
    from: './lib/capture',
    except: [folder, ...allowed].map((one) => `./${one}`),
    message: `capture/${folder}/ may import ${allowed.join(', ') || 'nothing but itself'} of capture/: see CAPTURE_MAY_IMPORT in eslint.config.mjs.`,
  })),
  {
    target: './lib/testing/fake-posthog',
    from: './lib',
    except: ['./testing/fake-posthog', './testing/timers.ts', './testing/condition-waiters.ts', './live'],
    message: 'FakePostHog shares no code with the client that it tests.',
  },
];

export default tseslint.config(
  { ignores: ['**/dist/**', '**/node_modules/**', 'coverage/**', 'api/**'] },
  eslint.configs.recommended,
  {
    files: ['**/*.ts'],
    extends: [...tseslint.configs.strictTypeChecked],
    plugins: { 'import-x': importX },
    languageOptions: { parserOptions: { project: 'tsconfig.json', tsconfigRootDir: import.meta.dirname } },
    settings: { 'import-x/resolver-next': [createTypeScriptImportResolver({ project: 'tsconfig.json' })] },
    linterOptions: { noInlineConfig: true, reportUnusedDisableDirectives: 'error' },
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      // Nest declares its options as classes and takes literals.
      '@typescript-eslint/no-unsafe-class-instance-assignment': 'off',
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
      // A class with a const and an interface of the same name: see lib/shared/process-singleton.ts.
      '@typescript-eslint/no-empty-object-type': ['error', { allowInterfaces: 'with-single-extends' }],
      '@typescript-eslint/no-extraneous-class': ['error', { allowWithDecorator: true }],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      '@typescript-eslint/no-unnecessary-type-parameters': 'off',
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      'import-x/no-cycle': ['error', { ignoreExternal: true }],
      'import-x/no-default-export': 'error',
      'import-x/no-restricted-paths': ['error', { zones }],
      'max-lines': ['error', { max: 250, skipBlankLines: true, skipComments: true }],
      'no-console': 'error',
    },
  },
  {
    files: ['lib/**/*.ts'],
    ignores: [
      'lib/wire/axios-client.ts',
      'lib/wire/axios-environment.ts',
      'lib/wire/axios-proxy.ts',
      'lib/wire/http-service.ts',
      'lib/wire/private-client.ts',
      'lib/options/posthog-capture.options.ts',
    ],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          paths: ['axios', '@nestjs/axios'].map((name) => ({ name, message: 'Only wire/ knows axios.' })),
          patterns: [],
        },
      ],
    },
  },
  {
    // CommonJS, whatever the endings of their imports.
    files: ['lib/**/*.cjs.ts'],
    rules: { '@typescript-eslint/no-require-imports': 'off' },
  },
  {
    files: ['lib/delivery/**/*.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        { patterns: [{ regex: '^(?!node:|\\.{1,2}/)', message: 'delivery/ imports nothing but node: and itself.' }] },
      ],
    },
  },
  {
    // They add to the types of test runners, which are what they are.
    files: ['lib/testing/jest.ts', 'lib/testing/vitest.ts'],
    rules: {
      '@typescript-eslint/no-namespace': 'off',
    },
  },
  {
    files: ['test/**/*.ts', 'sample/**/*.ts'],
    rules: {
      'max-lines': ['error', { max: 500, skipBlankLines: true, skipComments: true }],
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/unbound-method': 'off',
      'no-console': 'off',
    },
  },
  {
    // Written as users write them: Jest's global types and Vitest's know matchers such as objectContaining as any.
    files: ['test/runners/**/*.ts'],
    rules: { '@typescript-eslint/no-unsafe-assignment': 'off' },
  },
  {
    // Plain scripts of a page, which see each other; tsc knows what is defined, and used.
    files: ['lib/live/page/*.js'],
    languageOptions: { sourceType: 'script' },
    rules: { 'no-undef': 'off', 'no-unused-vars': 'off', 'no-console': 'error' },
  },
  {
    files: ['**/*.mjs'],
    languageOptions: {
      globals: {
        process: 'readonly',
        console: 'readonly',
        URL: 'readonly',
        setImmediate: 'readonly',
        setTimeout: 'readonly',
        setInterval: 'readonly',
        clearInterval: 'readonly',
        clearTimeout: 'readonly',
        fetch: 'readonly',
        performance: 'readonly',
        Buffer: 'readonly',
      },
    },
  },
);
