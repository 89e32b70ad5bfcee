// Runs the tests of tracking, decorators of flags, health and inspector on Nest 10 and 11, in CommonJS applications with the package
// installed from its archive. `npm test` covers Nest 12. To run one version only: check-nest-versions.mjs 10
import { copy, install, nest, own, run, swcOptions, writeJson } from './application.mjs';
import { ensureInstalled } from './lib.mjs';

const NEST = [
  'testing',
  'platform-express',
  'platform-fastify',
  'microservices',
  'websockets',
  'platform-socket.io',
  'event-emitter',
  'schedule',
  'cqrs',
  'terminus',
  'swagger',
];
const TOOLS = [
  '@grpc/grpc-js',
  '@grpc/proto-loader',
  'socket.io-client',
  'jest',
  '@jest/globals',
  '@swc/core',
  '@swc/jest',
];

const JEST = {
  testEnvironment: 'node',
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
  transform: { '^.+\\.ts$': ['@swc/jest', swcOptions('commonjs')] },
  setupFiles: ['<rootDir>/test/support/setup.ts'],
  testTimeout: 120_000,
};

await ensureInstalled();
const wanted = process.argv.slice(2);
for (const major of ['10', '11']) {
  if (wanted.length === 0 || wanted.includes(major)) await check(major);
}

async function check(major) {
  console.log(`Nest ${major}:`);
  const folder = await install(`nest-${major}`, { ...nest(major, ...NEST), ...own(...TOOLS) });
  writeJson(folder, 'jest.config.json', JEST);
  for (const tests of ['support', 'e2e/tracking', 'e2e/flag-decorators', 'e2e/health.spec.ts', 'e2e/inspector.spec.ts'])
    copy(`test/${tests}`, folder, `test/${tests}`);
  try {
    await run(folder, 'node', ['node_modules/jest/bin/jest.js', '--config', 'jest.config.json'], { show: true });
  } catch {
    console.error(`The tests failed on Nest ${major}.`);
    process.exitCode = 1;
  }
}
