// Runs the tests of tracking and of health in applications of the older versions of Nest: CommonJS ones, with the package installed from
// its archive as a user would. Nest 12 is what `npm test` runs on.
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureInstalled, ROOT } from './lib.mjs';

/** Majors of Nest's packages that go together. */
const VERSIONS = {
  10: { axios: 3, config: 3, 'event-emitter': 2, schedule: 4, cqrs: 10, terminus: 10 },
  11: { axios: 4, config: 4, 'event-emitter': 3, schedule: 6, cqrs: 11, terminus: 11 },
};
const SAME_MAJOR = [
  'common',
  'core',
  'testing',
  'platform-express',
  'platform-fastify',
  'microservices',
  'websockets',
  'platform-socket.io',
];
const OTHERS = ['axios', 'class-validator', 'class-transformer', 'rxjs', 'reflect-metadata', 'socket.io-client'];
const TOOLS = ['jest', '@jest/globals', '@swc/core', '@swc/jest'];

const JEST = `module.exports = {
  testEnvironment: 'node',
  moduleNameMapper: { '^(\\\\.{1,2}/.*)\\\\.js$': '$1' },
  transform: {
    '^.+\\\\.ts$': ['@swc/jest', {
      jsc: {
        target: 'es2022',
        parser: { syntax: 'typescript', decorators: true },
        transform: { legacyDecorator: true, decoratorMetadata: true },
        keepClassNames: true,
      },
      module: { type: 'commonjs' },
    }],
  },
  setupFiles: ['<rootDir>/test/support/setup.ts'],
  testTimeout: 20000,
};`;

await ensureInstalled();
const { devDependencies } = JSON.parse(readFileSync(`${ROOT}package.json`, 'utf8'));
const wanted = process.argv.slice(2);
for (const [major, packages] of Object.entries(VERSIONS)) {
  if (wanted.length === 0 || wanted.includes(major)) check(major, packages);
}

function check(major, packages) {
  const folder = mkdtempSync(join(tmpdir(), `nest-${major}-`));
  const run = (command, args) => execFileSync(command, args, { cwd: folder, stdio: ['ignore', 'inherit', 'inherit'] });
  try {
    execFileSync('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', folder], { cwd: ROOT });
    const { version } = JSON.parse(readFileSync(`${ROOT}package.json`, 'utf8'));
    const dependencies = {
      ...Object.fromEntries(SAME_MAJOR.map((name) => [`@nestjs/${name}`, `^${major}.0.0`])),
      ...Object.fromEntries(Object.entries(packages).map(([name, its]) => [`@nestjs/${name}`, `^${its}.0.0`])),
      ...Object.fromEntries([...OTHERS, ...TOOLS].map((name) => [name, devDependencies[name]])),
      'nestjs-posthog-capture': `file:nestjs-posthog-capture-${version}.tgz`,
    };
    writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'application', private: true, dependencies }));
    writeFileSync(join(folder, 'jest.config.cjs'), JEST);
    for (const tests of ['support', 'e2e/tracking', 'e2e/health.spec.ts']) {
      cpSync(`${ROOT}test/${tests}`, join(folder, 'test', tests), { recursive: true });
    }
    run('npm', ['install', '--no-audit', '--no-fund', '--loglevel=error']);
    console.log(`Nest ${major}:`);
    run(process.execPath, ['node_modules/jest/bin/jest.js', '--config', 'jest.config.cjs']);
  } catch {
    console.error(`The tests failed on Nest ${major}.`);
    process.exitCode = 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
