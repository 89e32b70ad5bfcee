import { spawn } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { nextSteps } from '../setup/nest-add.js';
import { planSetup, type ProjectFiles } from '../setup/plan-setup.js';
import { type Flags } from './flags.js';
import { EXIT, printable, type Terminal, UsageError } from './terminal.js';

const PACKAGE_MANAGERS: Readonly<Record<string, string>> = {
  'yarn.lock': 'yarn',
  'pnpm-lock.yaml': 'pnpm',
  'bun.lock': 'bun',
};

/**
 * Runs `posthog-capture init` in the current folder.
 *
 * @throws UsageError if there is no application
 */
export async function init({ values, switches }: Flags, terminal: Terminal): Promise<number> {
  const folder = process.cwd();
  const files: ProjectFiles = { read: (path) => readText(join(folder, path)) };
  if (files.read('package.json') === undefined) {
    throw new UsageError('there is no package.json in this folder: run it in the folder of a Nest application');
  }
  const plan = planSetup(files, values.get('source-root') ?? sourceRootOf(files.read('nest-cli.json')));
  const dryRun = switches.has('dry-run');
  for (const [path, text] of plan.changes) {
    terminal.out(`${files.read(path) === undefined ? 'CREATE' : 'UPDATE'} ${printable(path)}\n`);
    if (!dryRun) writeFileSync(join(folder, path), text);
  }
  for (const step of plan.manual) terminal.err(`\n${step}`);
  if (dryRun) {
    terminal.out('Nothing was changed, because of --dry-run.\n');
    return EXIT.ok;
  }
  if (plan.needsInstall && !switches.has('skip-install') && !(await installed(folder, terminal))) return EXIT.failed;
  terminal.out(`\n${nextSteps(plan.changes.size)}`);
  return plan.manual.length === 0 ? EXIT.ok : EXIT.failed;
}

/** Installs the packages in package.json with the package manager that the lock file belongs to. */
async function installed(folder: string, terminal: Terminal): Promise<boolean> {
  const lock = Object.keys(PACKAGE_MANAGERS).find((name) => existsSync(join(folder, name)));
  const command = `${(lock && PACKAGE_MANAGERS[lock]) ?? 'npm'} install`;
  terminal.out(`\n${command}\n`);
  // A shell finds npm.cmd on Windows, too.
  const child = spawn(command, {
    cwd: folder,
    shell: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    signal: terminal.signal,
  });
  child.stdout.setEncoding('utf8').on('data', terminal.out);
  child.stderr.setEncoding('utf8').on('data', terminal.err);
  const code = await new Promise((resolve) => child.once('error', resolve).once('close', resolve));
  if (code === 0) return true;
  terminal.err(`\nThe packages were not installed. Run this again when the problem is solved: ${command}\n`);
  return false;
}

function sourceRootOf(cliSettings: string | undefined): string {
  try {
    const { sourceRoot } = Object(JSON.parse(cliSettings ?? '')) as { sourceRoot?: unknown };
    if (typeof sourceRoot === 'string') return sourceRoot;
  } catch {
    // Settings that cannot be read are as good as none.
  }
  return 'src';
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
