import { execFile, type ExecFileException } from 'node:child_process';
import { lmdbPath, type LmdbPackage } from './lmdb.js';
import { FILE_SETTINGS, prepareLock } from './record-file.js';

/** What was found out about files of records. */
export interface Inspection {
  /** They can be opened, read and emptied. */
  readonly whole: readonly string[];
  readonly damaged: readonly string[];
  /** Nothing was found out about these. Last comes the one that was being looked at: it may be why. */
  readonly unknown: readonly string[];
  /** What ended the process that looked at them; null when it was not ended. */
  readonly endedBy: string | null;
}

/** Files of which not even this much could be read in so long are damaged. */
const TIMEOUT_MS = 60_000;
/** What a process dies of that falls over what it reads. Any other signal comes from outside, and says nothing of a file. */
const CRASHES = new Set(['SIGSEGV', 'SIGBUS', 'SIGABRT', 'SIGILL', 'SIGFPE', 'SIGTRAP']);
/** How Windows reports Ctrl-C, which it has no signal for: STATUS_CONTROL_C_EXIT. */
const CONTROL_C_EXIT = 0xc000013a;

/**
 * Tells whole files of records from damaged ones. A damaged one may end the process that maps it (SIGSEGV, SIGBUS) or keep it
 * busy for ever, so another process tries them. That one may also be ended by others: a terminal or a service manager that
 * ends the whole group, or a system that is out of memory. Rejects when a lock cannot be written, or the process not be started.
 */
export async function inspectFiles(paths: readonly string[]): Promise<Inspection> {
  const whole: string[] = [];
  const damaged: string[] = [];
  for (const path of paths) prepareLock(path);
  let left = paths;
  while (left.length > 0) {
    const { read, endedBy } = await look(left);
    whole.push(...left.slice(0, read));
    const next = left.slice(read, read + 1);
    left = left.slice(read + 1);
    if (endedBy !== null) return { whole, damaged, unknown: [...left, ...next], endedBy };
    damaged.push(...next);
  }
  return { whole, damaged, unknown: [], endedBy: null };
}

/** What came of looking at some files. */
interface Look {
  /** So many of them, from the first on, are whole. */
  readonly read: number;
  /** What ended it, when it says nothing of the next one; null when that one is damaged. */
  readonly endedBy: string | null;
}

function look(paths: readonly string[]): Promise<Look> {
  const script = `(${readAndEmpty.toString()})(require(process.argv[1]), require('node:fs').statSync, JSON.parse(process.argv[2]), process.argv.slice(3))`;
  const args = ['--input-type=commonjs', '--eval', script, lmdbPath(), JSON.stringify(FILE_SETTINGS), ...paths];
  return new Promise((resolve, reject) => {
    const child = execFile(
      process.execPath,
      args,
      {
        timeout: TIMEOUT_MS,
        killSignal: 'SIGKILL',
        // The application's own flags (debuggers, loaders) are not for this one.
        env: { ...process.env, NODE_OPTIONS: '', ELECTRON_RUN_AS_NODE: '1' },
      },
      (error, stdout) => {
        // A process that could not be started has no exit code but a system error's name.
        if (error && typeof error.code === 'string')
          reject(new Error(`cannot start a process to look at its files: ${error.code}`, { cause: error }));
        else resolve({ read: stdout.length, endedBy: error && endedBy(error) });
      },
    );
    child.unref();
  });
}

function endedBy({ killed, signal, code }: ExecFileException): string | null {
  if (code === CONTROL_C_EXIT) return 'Ctrl-C';
  // Ended by us: it took too long.
  return killed || !signal || CRASHES.has(signal) ? null : signal;
}

/** Runs in the other process, so it stands alone. Says one letter per file that is whole; nothing of what it does stays. */
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
    // Two pages say which of the others count. When the newer of them is damaged, an empty beginning counts.
    if (lastTxnId === 0 && size > 2 * pageSize) throw new Error('nothing was ever committed to what is there');
    database.transactionSync(() => {
      const keys: number[] = [];
      for (const { key, value } of database.getRange()) if (value.length > 0) keys.push(key);
      // A page that is missing may end the range without a word.
      if (keys.length !== database.getStats().entryCount) throw new Error('records are missing');
      for (const key of keys) database.removeSync(key);
      return lmdb.ABORT;
    });
    process.stdout.write('.');
  }
}
