import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach } from '@jest/globals';
import { runCli } from '../../lib/cli/cli.js';
import { type FakePostHog } from '../../lib/testing/index.js';
import { ScriptedTerminal } from './scripted-terminal.js';
import { KEY } from './secrets.js';
import { startPatientPostHog } from './patient-posthog.js';

/** The fixtures of an import test, created for each test. */
export interface Imports {
  readonly posthog: FakePostHog;
  /** The folder of the imported files. */
  readonly folder: string;
  /** Writes a file and returns its path. */
  readonly file: (lines: readonly (object | string)[], name?: string) => string;
}

/** Provides each test with a PostHog, a folder, and an environment without other `POSTHOG_` variables. */
export function useImports(): Imports {
  const imports = {} as { posthog: FakePostHog; folder: string };
  const environment = { ...process.env };

  beforeEach(async () => {
    imports.folder = mkdtempSync(join(tmpdir(), 'posthog-import-'));
    imports.posthog = await startPatientPostHog();
    for (const name of Object.keys(process.env))
      if (name.startsWith('POSTHOG_')) Reflect.deleteProperty(process.env, name);
    Object.assign(process.env, {
      POSTHOG_API_KEY: KEY,
      POSTHOG_HOST: imports.posthog.url,
      POSTHOG_RETRY_BASE_MS: '1',
    });
  });

  afterEach(async () => {
    await imports.posthog.close();
    process.env = { ...environment };
    rmSync(imports.folder, { recursive: true });
  });

  const file: Imports['file'] = (lines, name = 'events.ndjson') => {
    const path = join(imports.folder, name);
    writeFileSync(path, lines.map((line) => `${typeof line === 'string' ? line : JSON.stringify(line)}\n`).join(''));
    return path;
  };
  return Object.assign(imports, { file });
}

export const event = (index: number, more: object = {}): object => ({
  event: 'page_view',
  distinct_id: `user_${index % 7}`,
  timestamp: '2026-01-31T12:00:00.000Z',
  properties: { index },
  ...more,
});

/** Runs `posthog-capture import`. */
export async function runImport(args: readonly string[], terminal = new ScriptedTerminal()) {
  const code = await runCli(['import', ...args], terminal);
  return { code, answer: JSON.parse(terminal.stdout || 'null') as unknown, stderr: terminal.stderr };
}

export const rejectsOf = (path: string): unknown[] =>
  readFileSync(`${path}.rejects.ndjson`, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown);
