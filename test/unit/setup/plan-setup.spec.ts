import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { nestAdd } from '../../../lib/setup/nest-add.js';
import { enableShutdownHooks } from '../../../lib/setup/edit-main.js';
import { importCaptureModule } from '../../../lib/setup/edit-module.js';
import { peersFor } from '../../../lib/setup/peers.js';
import { planSetup, type SetupPlan } from '../../../lib/setup/plan-setup.js';

const MODULE = `import { Module } from '@nestjs/common';
import { AppController } from './app.controller';

@Module({
  imports: [],
  controllers: [AppController],
})
export class AppModule {}
`;
const MAIN = `import { NestFactory } from '@nestjs/core';
import { AppModule } from './app.module';

async function bootstrap() {
  const app = await NestFactory.create(AppModule);
  await app.listen(process.env.PORT ?? 3000);
}
bootstrap();
`;
const manifestOf = (nest: string, more = {}) =>
  `${JSON.stringify({ name: 'app', dependencies: { '@nestjs/core': nest, rxjs: '^7.8.1', ...more } }, null, 2)}\n`;
const application = (more: Record<string, string> = {}): Record<string, string> => ({
  'package.json': manifestOf('^11.0.1'),
  'src/main.ts': MAIN,
  'src/app.module.ts': MODULE,
  ...more,
});
const plan = (files: Record<string, string>, sourceRoot = 'src'): SetupPlan =>
  planSetup({ read: (path) => files[path] }, sourceRoot);

describe('the root module', () => {
  const decorator = (inside: string) =>
    `import { Module } from '@nestjs/common';\n\n@Module(${inside})\nexport class AppModule {}\n`;
  const IMPORT =
    "import { Module } from '@nestjs/common';\nimport { PostHogCaptureModule } from 'nestjs-posthog-capture';\n\n";
  const after = (inside: string) => `${IMPORT}@Module(${inside})\nexport class AppModule {}\n`;

  it.each([
    ['{}', '{ imports: [PostHogCaptureModule.forRoot()] }'],
    ['{ providers: [A] }', '{ imports: [PostHogCaptureModule.forRoot()], providers: [A] }'],
    ['{ imports: [A] }', '{ imports: [A, PostHogCaptureModule.forRoot()] }'],
    [
      '{ imports: [A, B.forRoot({ imports: [C] }),] }',
      '{ imports: [A, B.forRoot({ imports: [C] }), PostHogCaptureModule.forRoot()] }',
    ],
    ['{\n  providers: [A],\n}', '{\n  imports: [PostHogCaptureModule.forRoot()],\n  providers: [A],\n}'],
    [
      '{\n  providers: [{ provide: X, useFactory: () => ({ imports: [] }) }],\n  imports: [],\n}',
      '{\n  providers: [{ provide: X, useFactory: () => ({ imports: [] }) }],\n  imports: [PostHogCaptureModule.forRoot()],\n}',
    ],
    [
      '{\n  imports: [\n    A, // the first\n    B // "the" [last\n  ],\n}',
      '{\n  imports: [\n    A, // the first\n    B, // "the" [last\n    PostHogCaptureModule.forRoot(),\n  ],\n}',
    ],
    [
      "{\n  imports: [\n    A.register('a]'),\n  ],\n}",
      "{\n  imports: [\n    A.register('a]'),\n    PostHogCaptureModule.forRoot(),\n  ],\n}",
    ],
  ])('%j', (before, expected) => expect(importCaptureModule(decorator(before))).toBe(after(expected)));

  it('keeps double quotes, a style without semicolons, and line ends of Windows', () => {
    const text =
      'import { Module } from "@nestjs/common"\r\nimport { A } from "./a"\r\n\r\n@Module({ imports: [A] })\r\nclass M {}\r\n';
    expect(importCaptureModule(text)).toBe(
      'import { Module } from "@nestjs/common"\r\nimport { PostHogCaptureModule } from "nestjs-posthog-capture"\r\nimport { A } from "./a"\r\n\r\n' +
        '@Module({ imports: [A, PostHogCaptureModule.forRoot()] })\r\nclass M {}\r\n',
    );
  });

  it.each([
    ['the metadata is a variable', decorator('metadata')],
    ['a spread may hold imports', decorator('{ ...metadata }')],
    ['imports are a variable', decorator('{ imports: features }')],
    ['imports are a shorthand', decorator('{ imports, providers: [] }')],
    ['names of properties are quoted', decorator("{ 'imports': [A] }")],
    ['there are two modules', decorator('{}') + decorator('{}')],
    ['nothing is imported', "const { Module } = require('@nestjs/common');\n@Module({}) class M {}"],
    ['a regular expression has a quote', `${decorator('{}')}const quote = /'/;\n`],
    ['a bracket is missing', decorator('{ imports: [A }')],
  ])('is left alone when %s', (_, text) => expect(importCaptureModule(text)).toBeUndefined());
});

describe('main.ts', () => {
  const HOOKS = '  app.enableShutdownHooks();\n';
  const listen = '  await app.listen(process.env.PORT ?? 3000);\n';

  it.each([
    ['of the CLI', MAIN, listen],
    [
      'with a logger and a type',
      MAIN.replace('const app =', 'const app: INestApplication =').replace(
        '(AppModule)',
        "(AppModule, { logger: ['warn'] })",
      ),
      listen,
    ],
    ['of Fastify', MAIN.replace('create(', 'create<NestFastifyApplication>('), listen],
    [
      'that keeps the server',
      MAIN.replace('await app.listen', 'const server = await app.listen'),
      '  const server = await app.listen',
    ],
  ])('%s', (_, text, before) => expect(enableShutdownHooks(text)).toBe(text.replace(before, HOOKS + before)));

  it('without semicolons', () => {
    const text = MAIN.replaceAll(';', '');
    expect(enableShutdownHooks(text)).toBe(
      text.replace('  await app.listen', '  app.enableShutdownHooks()\n  await app.listen'),
    );
  });

  it.each([
    [
      'the call is in a comment only',
      MAIN.replace('  await app.listen', '  // app.enableShutdownHooks();\n  await app.listen'),
      true,
    ],
    ['it is called', MAIN.replace('  await app.listen', `${HOOKS}  await app.listen`), false],
  ])('%s', (_, text, changes) => expect(enableShutdownHooks(text) !== text).toBe(changes));

  it.each([
    ['the application is in a chain', 'NestFactory.create(AppModule).then((app) => app.listen(3000));\n'],
    ['it listens twice', MAIN.replace(listen, listen + listen)],
    ['listen is the body of an if', MAIN.replace('  await app.listen', '  if (ready)\n    await app.listen')],
    [
      'listen is in an expression',
      MAIN.replace('await app.listen', 'await Promise.all([app.listen(1)]);\n  other.listen'),
    ],
    ['another function makes the application', MAIN.replace('await NestFactory.create', 'await makeApp')],
  ])('is left alone when %s', (_, text) => expect(enableShutdownHooks(text)).toBeUndefined());
});

describe('an application', () => {
  it.each([
    ['^10.0.0', '^4.0.0'],
    ['^11.0.1', '^4.0.0'],
    ['^12.0.1', '^12.0.0'],
  ])('of Nest %s gets %s of @nestjs/axios and @nestjs/config', (nest, expected) => {
    const { changes, manual, needsInstall } = plan(application({ 'package.json': manifestOf(nest) }));
    expect(JSON.parse(changes.get('package.json') ?? '')).toEqual({
      name: 'app',
      dependencies: {
        '@nestjs/axios': expected,
        '@nestjs/config': expected,
        '@nestjs/core': nest,
        axios: expect.any(String),
        'class-transformer': expect.any(String),
        'class-validator': expect.any(String),
        'nestjs-posthog-capture': expect.any(String),
        rxjs: '^7.8.1',
      },
    });
    expect([...changes.keys()].sort()).toEqual(['.env.example', 'package.json', 'src/app.module.ts', 'src/main.ts']);
    expect(changes.get('.env.example')).toBe('POSTHOG_API_KEY=\nPOSTHOG_HOST=https://us.posthog.com\n');
    expect({ manual, needsInstall }).toEqual({ manual: [], needsInstall: true });
  });

  it('is not changed a second time', () => {
    const first = application({ '.env.example': 'PORT=3000' });
    const second = { ...first, ...Object.fromEntries(plan(first).changes) };
    expect(second['.env.example']).toMatch(/^PORT=3000\nPOSTHOG_API_KEY=\n/);
    expect(plan(second)).toEqual({ changes: new Map(), manual: [], needsInstall: false });
  });

  it('keeps the ranges of dependencies that it has, and the indentation of package.json', () => {
    const manifest = manifestOf('^11.0.1', { axios: '1.20.0' }).replaceAll('  ', '\t');
    const edited = plan(application({ 'package.json': manifest })).changes.get('package.json');
    expect(edited).toContain('\n\t\t"axios": "1.20.0",\n');
  });

  it('of which the root module is elsewhere, and its sources too', () => {
    const { changes, manual } = plan(
      {
        'package.json': manifestOf('^12.0.0'),
        'apps/api/src/main.ts': MAIN.replace("'./app.module'", "'./api/root.module.js'"),
        'apps/api/src/api/root.module.ts': MODULE,
      },
      'apps/api/src',
    );
    expect(changes.get('apps/api/src/api/root.module.ts')).toContain('PostHogCaptureModule.forRoot()');
    expect(manual).toEqual([]);
  });

  it('with the installed version of Nest, whatever the range says', () => {
    const core = { 'node_modules/@nestjs/core/package.json': '{"version":"12.5.1"}' };
    const { changes } = plan(application({ ...core, 'package.json': manifestOf('>=10') }));
    expect(changes.get('package.json')).toContain('"@nestjs/config": "^12.0.0"');
  });

  it('lists the steps that are left to do', () => {
    const files = application({
      'src/main.ts': 'void start();\n',
      'src/app.module.ts': 'export const AppModule = make();\n',
    });
    const { changes, manual } = plan({ ...files, 'package.json': manifestOf('^9.0.0') });
    expect([...changes.keys()]).toEqual(['.env.example']);
    expect(manual.join('\n')).toMatch(
      /src\/app\.module\.ts was not changed[^]*PostHogCaptureModule\.forRoot\(\)[^]*src\/main\.ts was not changed[^]*app\.enableShutdownHooks\(\)[^]*package\.json was not changed: Nest 9 is not supported/,
    );
  });

  it('warns of a peer for another version of Nest', () => {
    const { manual } = plan(application({ 'package.json': manifestOf('^11.0.0', { '@nestjs/config': '^12.0.1' }) }));
    expect(manual).toEqual([expect.stringContaining('npm install @nestjs/config@4')]);
  });
});

it('the schematic writes into the tree, and installs once', () => {
  const files = application();
  const tasks: object[] = [];
  const log: string[] = [];
  const run = (): void =>
    nestAdd({ sourceRoot: 'src' })(
      {
        read: (path) => (files[path] === undefined ? null : Buffer.from(files[path])),
        exists: (path) => files[path] !== undefined,
        create: (path, text) => void (files[path] = text),
        overwrite: (path, text) => void (files[path] = text),
      },
      {
        logger: { info: (message) => void log.push(message), warn: (message) => void log.push(message) },
        addTask: (task) => tasks.push(task.toConfiguration()),
      },
    );
  run();
  expect(files['src/app.module.ts']).toContain('imports: [PostHogCaptureModule.forRoot()]');
  run();
  expect(tasks).toEqual([{ name: 'node-package', options: expect.objectContaining({ command: 'install' }) }]);
  expect(log.at(-1)).toMatch(/^Nothing to change/);
});

it('every peer that is added is a peer of the package, in a range that it allows', () => {
  const manifest = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as {
    peerDependencies: Record<string, string>;
  };
  for (const nest of [10, 11, 12]) {
    for (const [name, range] of Object.entries(peersFor(nest)!)) {
      expect([name, manifest.peerDependencies[name]?.split(' || ')]).toEqual([name, expect.arrayContaining([range])]);
    }
  }
});
