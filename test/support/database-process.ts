import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The user of a database server, which refuses to run as root. */
interface Account {
  readonly uid: number;
  readonly gid: number;
}

/** The account with this name if the tests run as root; otherwise, servers run as the current user. */
export function accountOf(name: string): Account | Record<string, never> {
  if (process.getuid?.() !== 0) return {};
  const idOf = (flag: string): number => Number(spawnSync('id', [flag, name]).stdout.toString());
  return { uid: idOf('-u'), gid: idOf('-g') };
}

/** Finds a program: in one of the folders, or in PATH. null: it is not installed. */
export function findProgram(name: string, ...folders: readonly string[]): string | null {
  const paths = [...folders, ...(process.env.PATH ?? '').split(':'), '/usr/sbin'];
  return paths.map((folder) => join(folder, name)).find((path) => existsSync(path)) ?? null;
}

/** The folders of Debian's packages of PostgreSQL, the newest first. */
export function postgresFolders(): string[] {
  const root = '/usr/lib/postgresql';
  const versions = existsSync(root) ? readdirSync(root) : [];
  return versions.sort((one, other) => Number(other) - Number(one)).map((version) => join(root, version, 'bin'));
}

/** A server in a directory of its own. */
export class DatabaseProcess {
  readonly folder: string;
  readonly #account: ReturnType<typeof accountOf>;
  #process: ChildProcess | null = null;

  constructor(name: string, account: string) {
    this.folder = mkdtempSync(join(tmpdir(), `${name}-`));
    this.#account = accountOf(account);
    if ('uid' in this.#account) chownSync(this.folder, this.#account.uid, this.#account.gid);
  }

  /** Runs a program to its end. */
  async run(program: string, args: readonly string[]): Promise<void> {
    const child = spawn(program, args, { ...this.#options, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += String(chunk)));
    const [code] = (await once(child, 'exit')) as [number | null];
    if (code !== 0) throw new Error(`${program} failed: ${output}`);
  }

  /** Starts the server. Resolves when it has printed a line that matches. */
  async start(program: string, args: readonly string[], ready: RegExp): Promise<void> {
    const child = spawn(program, args, { ...this.#options, stdio: ['ignore', 'pipe', 'pipe'] });
    this.#process = child;
    let output = '';
    await new Promise<void>((resolve, reject) => {
      for (const stream of [child.stdout, child.stderr])
        stream.on('data', (chunk) => {
          output = (output + String(chunk)).slice(-10_000);
          if (ready.test(output)) resolve();
        });
      child.once('error', reject);
      child.once('exit', () => reject(new Error(`${program} did not start: ${output}`)));
    });
  }

  /** Sends a signal. */
  signal(signal: NodeJS.Signals): void {
    this.#process?.kill(signal);
  }

  /** Sends a signal, and resolves when the process has ended. Its data stays. */
  async end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#process;
    this.#process = null;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill(signal);
    await exited;
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  get #options(): object {
    return { ...this.#account, cwd: this.folder };
  }
}
