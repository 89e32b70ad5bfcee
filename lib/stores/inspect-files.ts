import { execFile, type ExecFileException } from 'node:child_process';
import { lmdbPath, type LmdbPackage } from './lmdb.js';
import { FILE_SETTINGS, prepareLock } from './record-file.js';

export interface Inspection {
  /** Can be opened, read and emptied. */
  readonly intact: readonly string[];
  readonly damaged: readonly string[];
  /** Not inspected. The last one was being inspected when the process was killed, and may be the cause. */
  readonly unknown: readonly string[];
  /** Signal that killed the inspecting process; null if it was not killed. */
  readonly endedBy: string | null;
}

/** A file that cannot be inspected within this time is damaged. */
const TIMEOUT_MS = 60_000;
/** Signals of a process that crashes on a damaged file. Any other signal comes from outside and is unrelated to the file. */
const CRASHES = new Set(['SIGSEGV', 'SIGBUS', 'SIGABRT', 'SIGILL', 'SIGFPE', 'SIGTRAP']);
/** STATUS_CONTROL_C_EXIT: Windows has no signal for Ctrl-C. */
const CONTROL_C_EXIT = 0xc000013a;

/**
 * Distinguishes intact files of records from damaged ones. Mapping a damaged file may crash a process (SIGSEGV, SIGBUS) or keep it busy
 * forever, so another process tries them. That process may also be killed from outside: by a terminal or service manager that ends the
 * whole process group, or by a system that is out of memory. Rejects if a lock cannot be written or the process cannot be started.
 */
export async function inspectFiles(paths: readonly string[]): Promise<Inspection> {
  const intact: string[] = [];
  const damaged: string[] = [];
  for (const path of paths) prepareLock(path);
  let left = paths;
  while (left.length > 0) {
    const { intact: count, endedBy } = await tryFiles(left);
    intact.push(...left.slice(0, count));
    const next = left.slice(count, count + 1);
    left = left.slice(count + 1);
    if (endedBy !== null) return { intact, damaged, unknown: [...left, ...next], endedBy };
    damaged.push(...next);
  }
  return { intact, damaged, unknown: [], endedBy: null };
}

interface Attempt {
  /** Number of intact files before the first that is not. */
  readonly intact: number;
  /** Signal from outside, which is no evidence about the next file; null if that file is damaged. */
  readonly endedBy: string | null;
}

function tryFiles(paths: readonly string[]): Promise<Attempt> {
  const script = `(${readAndEmpty.toString()})(require(process.argv[1]), require('node:fs').statSync, JSON.parse(process.argv[2]), process.argv.slice(3))`;
  const args = ['--input-type=commonjs', '--eval', script, lmdbPath(), JSON.stringify(FILE_SETTINGS), ...paths];
  return new Promise((resolve, reject) => {
    const child = execFile(
      process.execPath,
      args,
      {
        timeout: TIMEOUT_MS,
        killSignal: 'SIGKILL',
        // Without the flags of the application (debuggers, loaders).
        env: { ...process.env, NODE_OPTIONS: '', ELECTRON_RUN_AS_NODE: '1' },
      },
      (error, stdout) => {
        // If the process could not be started, the code is the name of a system error.
        if (error && typeof error.code === 'string')
          reject(new Error(`cannot start a process to inspect its files: ${error.code}`, { cause: error }));
        else resolve({ intact: stdout.length, endedBy: error && endedBy(error) });
      },
    );
    child.unref();
  });
}

function endedBy({ killed, signal, code }: ExecFileException): string | null {
  if (code === CONTROL_C_EXIT) return 'Ctrl-C';
  // Killed here after TIMEOUT_MS.
  return killed || !signal || CRASHES.has(signal) ? null : signal;
}

/** Runs in the other process, so it must not use anything else of this module. Prints one dot per intact file, and changes none. */
function readAndEmpty(
  lmdb: LmdbPackage,
  statSync: (path: string) => { readonly size: number },
  settings: object,
  paths: readonly string[],
): void {
  for (const path of paths) {
    const { size } = statSync(path);
    const database = lmdb.open({ ...settings, path });
    const { lastTxnId, pageSize } = database.getStats();
    // LMDB has two meta pages. If the newer one is damaged, it falls back to the other, which may be that of an empty file.
    if (lastTxnId === 0 && size > 2 * pageSize) throw new Error('the file has content but no commit');
    database.transactionSync(() => {
      const keys: number[] = [];
      for (const { key, value } of database.getRange()) if (value.length > 0) keys.push(key);
      // A missing page may end the range without an error.
      if (keys.length !== database.getStats().entryCount) throw new Error('records are missing');
      for (const key of keys) database.removeSync(key);
      return lmdb.ABORT;
    });
    process.stdout.write('.');
  }
}
