// Applications in which scripts/test-package.mjs runs the examples of docs/testing.md (test/runners).
import { swcOptions } from '../../scripts/application.mjs';

/** Jest configuration. */
const jest = (transform, more = {}) => ({
  'jest.config.json': JSON.stringify({
    testEnvironment: 'node',
    moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
    // Mapped by name as well, because the tests import it.
    setupFilesAfterEnv: ['nestjs-posthog-capture/testing/jest'],
    transform: { '^.+\\.ts$': transform },
    ...more,
  }),
});
const swc = (module) => ['@swc/jest', swcOptions(module)];
const esm = { extensionsToTreatAsEsm: ['.ts'] };
const vitest = {
  'vitest.config.mjs': "export default { test: { setupFiles: ['nestjs-posthog-capture/testing/vitest'] } };",
};
/** Vite emits decorator metadata from version 8 on; earlier versions need swc. */
const vitestWithSwc = {
  'vitest.config.mjs': `import swc from 'unplugin-swc';
    export default { plugins: [swc.vite()], test: { setupFiles: ['nestjs-posthog-capture/testing/vitest'] } };`,
};

const JEST_29 = { jest: '^29.7.0', '@jest/globals': '^29.7.0', '@types/jest': '^29.5.0' };
const JEST_30 = { jest: '^30.0.0', '@jest/globals': '^30.0.0', '@types/jest': '^30.0.0' };
const SWC = { '@swc/core': '^1.10.0', '@swc/jest': '^0.2.37' };
const RUN_JEST = ['node_modules/jest/bin/jest.js', '--config', 'jest.config.json', '--detectOpenHandles'];
const RUN_JEST_ESM = ['--experimental-vm-modules', ...RUN_JEST];
const RUN_VITEST = ['node_modules/vitest/vitest.mjs', 'run'];

const NODE10 = { module: 'commonjs', moduleResolution: 'node', types: ['node', 'jest'], esModuleInterop: true };
const NODENEXT = { module: 'nodenext', types: ['node', 'jest'] };
const BUNDLER = { module: 'esnext', moduleResolution: 'bundler', types: ['node'] };

const runner = (name, tests, modules, settings) => ({ name, tests, modules, nodes: ['20', '26'], ...settings });

/** `core` marks the runners of the fast core. */
export const RUNNERS = [
  runner('Jest 29 with ts-jest, Nest 10, CommonJS, TypeScript 5.4 (node10)', 'jest', 'CommonJS', {
    core: true,
    nodes: ['20'],
    nest: '10',
    dependencies: { ...JEST_29, 'ts-jest': '^29.2.0', typescript: '~5.4.0' },
    compilerOptions: NODE10,
    files: jest('ts-jest'),
    run: RUN_JEST,
  }),
  runner('Jest 29 with swc, Nest 11, ES modules, TypeScript 5.9 (nodenext)', 'jest', 'ES modules', {
    nest: '11',
    dependencies: { ...JEST_29, ...SWC, typescript: '~5.9.0' },
    compilerOptions: NODENEXT,
    files: jest(swc('es6'), esm),
    run: RUN_JEST_ESM,
  }),
  runner('Jest 30 with swc, Nest 11, CommonJS, TypeScript 5.9 (node10)', 'jest', 'CommonJS', {
    nest: '11',
    dependencies: { ...JEST_30, ...SWC, typescript: '~5.9.0' },
    compilerOptions: NODE10,
    files: jest(swc('commonjs')),
    run: RUN_JEST,
  }),
  runner('Jest 30 with swc, Nest 12, CommonJS, TypeScript 6.0 (nodenext)', 'jest', 'CommonJS', {
    // With older versions, Jest cannot require ES modules such as Nest 12.
    nodes: ['24', '26'],
    nest: '12',
    dependencies: { ...JEST_30, ...SWC, typescript: '~6.0.0' },
    compilerOptions: NODENEXT,
    files: jest(swc('commonjs')),
    run: RUN_JEST_ESM,
  }),
  runner('Jest 30 with swc, Nest 12, ES modules, TypeScript 6.0 (nodenext)', 'jest', 'ES modules', {
    core: true,
    nodes: ['20'],
    nest: '12',
    dependencies: { ...JEST_30, ...SWC, typescript: '~6.0.0' },
    compilerOptions: NODENEXT,
    files: jest(swc('es6'), esm),
    run: RUN_JEST_ESM,
  }),
  runner('Vitest 3 with swc, Nest 10, ES modules, TypeScript 5.9 (bundler)', 'vitest', 'ES modules', {
    nest: '10',
    dependencies: { vitest: '^3.0.0', 'unplugin-swc': '^1.5.0', '@swc/core': SWC['@swc/core'], typescript: '~5.9.0' },
    compilerOptions: BUNDLER,
    files: vitestWithSwc,
    run: RUN_VITEST,
  }),
  runner('Vitest 4, Nest 11, ES modules, TypeScript 6.0 (bundler)', 'vitest', 'ES modules', {
    core: true,
    nodes: ['20'],
    nest: '11',
    dependencies: { vitest: '^4.0.0', typescript: '~6.0.0' },
    compilerOptions: BUNDLER,
    files: vitest,
    run: RUN_VITEST,
  }),
  runner('Vitest 5, Nest 12, ES modules, TypeScript 6.0 (bundler)', 'vitest', 'ES modules', {
    // Does not support Node.js 20.
    nodes: ['22', '26'],
    nest: '12',
    dependencies: { vitest: '^5.0.0', '@types/node': '^22.0.0', typescript: '~6.0.0' },
    compilerOptions: BUNDLER,
    files: vitest,
    run: RUN_VITEST,
  }),
];
