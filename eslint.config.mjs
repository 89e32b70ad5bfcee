import eslint from '@eslint/js';
import { createTypeScriptImportResolver } from 'eslint-import-resolver-typescript';
import importX from 'eslint-plugin-import-x';
import tseslint from 'typescript-eslint';

/** What each room of lib/ must not import: the arrows of the architecture, module -> tracking -> context, capture -> wire -> delivery. */
const never = (target, from, message) => ({
  target: `./lib/${target}`,
  from: from.map((room) => `./lib/${room}`),
  message,
});
const ROOTS = [
  'index.ts',
  'posthog-capture.module.ts',
  'posthog-capture.module-definition.ts',
  'assemble-capture.ts',
  'instance-module.ts',
];
const BESIDE = ['testing', 'health', 'opentelemetry', 'inspector', 'live', 'cli', 'stores'];
const zones = [
  never(
    'delivery',
    [
      ...ROOTS,
      ...BESIDE,
      'posthog-capture.options.ts',
      'posthog-capture.config.ts',
      'capture',
      'context',
      'tracking',
      'wire',
      'process-wide.ts',
      'version.ts',
    ],
    'delivery/ imports nothing but node: and itself.',
  ),
  never(
    'json',
    [
      ...ROOTS,
      ...BESIDE,
      'posthog-capture.options.ts',
      'posthog-capture.config.ts',
      'capture',
      'context',
      'tracking',
      'wire',
      'delivery',
    ],
    'json/ imports nothing but node: and itself.',
  ),
  never(
    'wire',
    [...ROOTS, ...BESIDE, 'posthog-capture.config.ts', 'capture', 'context', 'tracking'],
    'wire/ may import delivery/ only.',
  ),
  never(
    'context',
    [...ROOTS, ...BESIDE, 'posthog-capture.config.ts', 'capture', 'tracking', 'wire', 'delivery'],
    'context/ knows who acts and nothing else.',
  ),
  never(
    'capture',
    [...ROOTS, ...BESIDE, 'posthog-capture.config.ts', 'tracking'],
    'capture/ may import context/, wire/ and delivery/.',
  ),
  never(
    'tracking',
    [...ROOTS, ...BESIDE, 'posthog-capture.config.ts', 'wire', 'delivery'],
    'tracking/ may import capture/ and context/.',
  ),
  ...ROOTS.map((file) => never(file, BESIDE, 'The core never imports what stands beside it.')),
  {
    target: './lib/testing/*.ts',
    from: ['./lib/*.ts', './lib/!(testing|live)/**'],
    message: 'FakePostHog shares no code with the client that it judges.',
  },
  {
    target: './lib/live',
    from: ['./lib/*.ts', './lib/!(live)/**'],
    message: 'live/ shows what it is given; it imports nothing but node: and itself.',
  },
];

export default tseslint.config(
  { ignores: ['**/dist/**', '**/node_modules/**', 'coverage/**'] },
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
      'lib/wire/private-client.ts',
      'lib/posthog-capture.module.ts',
      'lib/posthog-capture.options.ts',
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
    files: ['lib/delivery/**/*.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        { patterns: [{ regex: '^(?!node:|\\./)', message: 'delivery/ imports nothing but node: and itself.' }] },
      ],
    },
  },
  {
    // They add to the types of test runners, which are what they are.
    files: ['lib/testing/jest.ts', 'lib/testing/vitest.ts'],
    rules: {
      '@typescript-eslint/no-empty-object-type': ['error', { allowInterfaces: 'with-single-extends' }],
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
