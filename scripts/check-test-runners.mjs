// Runs the examples of docs/testing.md as users would: in applications with the package installed from its archive, one for each way to
// test, and with the types of all packages checked. Without arguments all of them; or some: `check-test-runners.mjs vitest`.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureInstalled, ROOT } from './lib.mjs';

await ensureInstalled();
const { version, devDependencies } = JSON.parse(readFileSync(`${ROOT}package.json`, 'utf8'));
const own = (...names) => Object.fromEntries(names.map((name) => [name, devDependencies[name]]));
const nest = (major, config) => ({
  ...Object.fromEntries(
    ['common', 'core', 'platform-express', 'testing'].map((name) => [`@nestjs/${name}`, `^${major}.0.0`]),
  ),
  '@nestjs/axios': `^${config}.0.0`,
  '@nestjs/config': `^${config}.0.0`,
});
const jestConfig = (transform, more = {}) => ({
  'jest.config.json': JSON.stringify({
    testEnvironment: 'node',
    moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
    // By its name, too: the tests import it as well.
    setupFilesAfterEnv: ['nestjs-posthog-capture/testing/jest'],
    transform: { '^.+\\.ts$': transform },
    ...more,
  }),
});
const swc = [
  '@swc/jest',
  {
    jsc: {
      target: 'es2022',
      parser: { syntax: 'typescript', decorators: true },
      transform: { legacyDecorator: true, decoratorMetadata: true },
    },
    module: { type: 'es6' },
  },
];

const APPLICATIONS = {
  'jest-29': {
    what: 'Nest 10, CommonJS, Jest 29 with ts-jest, moduleResolution node10',
    tests: 'jest',
    type: 'commonjs',
    dependencies: {
      ...nest(10, 3),
      jest: '^29.7.0',
      'ts-jest': '^29.2.0',
      '@types/jest': '^29.5.0',
      typescript: '~5.4.0',
    },
    compilerOptions: { module: 'commonjs', moduleResolution: 'node', types: ['node', 'jest'], esModuleInterop: true },
    files: jestConfig('ts-jest'),
    run: ['node_modules/jest/bin/jest.js', '--detectOpenHandles'],
  },
  'jest-30': {
    what: 'Nest 12, ES modules, Jest 30 with @swc/jest, moduleResolution nodenext',
    tests: 'jest',
    type: 'module',
    dependencies: { ...nest(12, 12), ...own('jest', '@types/jest', '@swc/core', '@swc/jest', 'typescript') },
    compilerOptions: { module: 'nodenext', types: ['node', 'jest'] },
    files: jestConfig(swc, { extensionsToTreatAsEsm: ['.ts'] }),
    run: ['--experimental-vm-modules', 'node_modules/jest/bin/jest.js', '--detectOpenHandles'],
  },
  vitest: {
    what: 'Nest 11, ES modules, Vitest, moduleResolution bundler',
    tests: 'vitest',
    type: 'module',
    dependencies: { ...nest(11, 4), ...own('vitest', 'typescript') },
    compilerOptions: { module: 'esnext', moduleResolution: 'bundler', types: ['node'] },
    files: {
      'vitest.config.mjs': "export default { test: { setupFiles: ['nestjs-posthog-capture/testing/vitest'] } };",
    },
    run: ['node_modules/vitest/vitest.mjs', 'run'],
  },
};

const wanted = process.argv.slice(2);
for (const [name, application] of Object.entries(APPLICATIONS)) {
  if (wanted.length === 0 || wanted.includes(name)) check(application);
}

function check({ what, tests, type, dependencies, compilerOptions, files, run }) {
  const folder = mkdtempSync(join(tmpdir(), 'test-runner-'));
  const node = (...args) =>
    execFileSync(process.execPath, args, { cwd: folder, stdio: ['ignore', 'inherit', 'inherit'] });
  const write = (file, text) => writeFileSync(join(folder, file), text);
  try {
    console.log(`${what}:`);
    execFileSync('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', folder], { cwd: ROOT });
    write(
      'package.json',
      JSON.stringify({
        name: 'application',
        private: true,
        type,
        dependencies: {
          ...own('axios', 'class-transformer', 'class-validator', 'reflect-metadata', 'rxjs', '@types/node'),
          ...dependencies,
          'nestjs-posthog-capture': `file:nestjs-posthog-capture-${version}.tgz`,
        },
      }),
    );
    write(
      'tsconfig.json',
      JSON.stringify({
        compilerOptions: {
          target: 'es2022',
          lib: ['es2023'],
          strict: true,
          noEmit: true,
          skipLibCheck: false,
          experimentalDecorators: true,
          emitDecoratorMetadata: true,
          ...compilerOptions,
        },
        include: ['src', 'test'],
      }),
    );
    for (const [file, text] of Object.entries(files)) write(file, text);
    cpSync(`${ROOT}test/runners/src`, join(folder, 'src'), { recursive: true });
    cpSync(`${ROOT}test/runners/${tests}`, join(folder, 'test'), { recursive: true });
    execFileSync('npm', ['install', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: folder, stdio: 'inherit' });
    node('node_modules/typescript/bin/tsc', '-p', 'tsconfig.json');
    node(...run);
  } catch {
    console.error(`The examples of docs/testing.md failed: ${what}.`);
    process.exitCode = 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
