import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { runCli } from '../../lib/cli/cli.js';
import { ScriptedTerminal } from '../support/scripted-terminal.js';

const before = process.cwd();
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'posthog-capture-init-'));
  process.chdir(folder);
});
afterEach(() => {
  process.chdir(before);
  rmSync(folder, { recursive: true });
});

function write(files: Record<string, string>): void {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(folder, path, '..'), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
}
const read = (path: string): string => readFileSync(join(folder, path), 'utf8');

async function init(...flags: string[]) {
  const terminal = new ScriptedTerminal();
  const code = await runCli(['init', ...flags], terminal);
  return { code, stdout: terminal.stdout, stderr: terminal.stderr };
}

const MODULE = "import { Module } from '@nestjs/common';\n\n@Module({})\nexport class AppModule {}\n";
const MAIN = `import { NestFactory } from '@nestjs/core';
import { AppModule } from './app.module.js';

const app = await NestFactory.create(AppModule);
await app.listen(3000);
`;
const APPLICATION = {
  'package.json': '{"dependencies":{"@nestjs/core":"^12.0.1"}}',
  'nest-cli.json': '{"sourceRoot":"source"}',
  'source/app.module.ts': MODULE,
  'source/main.ts': MAIN,
};

describe('posthog-capture init', () => {
  it('sets an application up, and changes nothing the second time', async () => {
    write(APPLICATION);
    const { code, stdout, stderr } = await init('--skip-install');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(
      /UPDATE source\/app\.module\.ts\nUPDATE source\/main\.ts\nCREATE \.env\.example\nUPDATE package\.json\n[^]*POSTHOG_API_KEY/,
    );
    expect(read('source/app.module.ts')).toContain('imports: [PostHogCaptureModule.forRoot()]');
    expect(read('source/main.ts')).toContain('app.enableShutdownHooks();\nawait app.listen(3000);');
    expect(read('package.json')).toContain('"@nestjs/config": "^12.0.0"');

    const second = await init();
    expect(second.stdout).toMatch(/^\nNothing to change/);
    expect(second.code).toBe(0);
  });

  it('only shows the changes with --dry-run', async () => {
    write(APPLICATION);
    expect(await init('--dry-run')).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('UPDATE source/main.ts'),
    });
    expect([read('source/main.ts'), read('package.json')]).toEqual([MAIN, APPLICATION['package.json']]);
  });

  it('prints the steps that are left to do', async () => {
    write({ ...APPLICATION, 'source/main.ts': 'void start();\n' });
    const { code, stderr } = await init('--skip-install', '--source-root', 'source');
    expect(code).toBe(1);
    expect(stderr).toMatch(/source\/main\.ts was not changed[^]*app\.enableShutdownHooks\(\);/);
    expect(read('source/main.ts')).toBe('void start();\n');
  });

  it('prints a message if the packages cannot be installed', async () => {
    write({ ...APPLICATION, '.npmrc': 'registry=http://127.0.0.1:9/\nfetch-retries=0\noffline=true\n' });
    const { code, stderr } = await init();
    expect(code).toBe(1);
    expect(stderr).toMatch(/The packages were not installed[^]*npm install/);
  });

  it('needs an application', async () => {
    expect(await init()).toMatchObject({ code: 2, stderr: expect.stringMatching(/there is no package\.json/) });
  });
});
