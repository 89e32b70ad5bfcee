import { randomBytes } from 'node:crypto';
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { readdir, readFile, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { backgroundTimer, deadlineTimer, type Timer } from '../delivery/timers.js';
import { livenessOf, type ProcessIdentity, thisProcess } from './process-identity.js';
import { lockOf } from './record-file.js';

/** Interval at which an owner touches its file. */
const HEARTBEAT_MS = 1000;
/** An owner whose process cannot be looked up, usually on another host, is dead after this time without a heartbeat. */
const DEAD_AFTER_MS = 60_000;
/** An owner on this host whose process cannot be looked up, such as in another container, is observed for this time. */
const WATCH_MS = 3 * HEARTBEAT_MS;

/** `<origin>.<project>.<owner>.mdb`: the process that wrote the records, their project, and the process that owns them now. */
const FILE_NAME = /^(?<origin>[a-z\d-]+)\.(?<project>[a-f\d]+)\.(?<owner>[a-z\d-]+)\.mdb$/;

/** Files of dead processes. */
export interface Leftovers {
  /** Of this project, to be adopted, oldest first. */
  readonly files: readonly string[];
  /** Number of files of other projects. */
  readonly foreign: number;
}

/**
 * A directory that processes share. Each process owns its files, which no other process opens while it is alive. A file changes its owner
 * by a rename, which succeeds in one process only.
 */
export class StoreDirectory {
  readonly #path: string;
  readonly #project: string;
  readonly #self: ProcessIdentity = thisProcess();
  readonly #owner = `${Date.now().toString(36)}-${randomBytes(6).toString('hex')}`;
  #heartbeat: Timer | null = null;
  #left = false;

  /**
   * Registers this process in the directory, which is created if it does not exist. Throws errors of the file system.
   *
   * @param onLost called if another process took this one for dead, or the directory was deleted
   */
  constructor(path: string, project: string, onLost: () => void) {
    this.#path = path;
    this.#project = project;
    mkdirSync(path, { recursive: true, mode: 0o700 });
    try {
      writeFileSync(this.#ownerFile(this.#owner), JSON.stringify(this.#self), { flag: 'wx', mode: 0o600 });
    } catch (error) {
      rmSync(this.#ownerFile(this.#owner), { force: true });
      throw error;
    }
    this.#beat(onLost);
  }

  /** Path of the file for new records of this process. */
  get ownFile(): string {
    return this.#fileOf(this.#owner);
  }

  async leftovers(): Promise<Leftovers> {
    const files: string[] = [];
    let foreign = 0;
    const dead = new Map<string, Promise<boolean>>([[this.#owner, Promise.resolve(false)]]);
    for (const name of (await readdir(this.#path)).sort()) {
      const { project, owner } = FILE_NAME.exec(name)?.groups ?? {};
      if (owner === undefined) continue;
      const isDead = dead.get(owner) ?? this.#isDead(owner);
      dead.set(owner, isDead);
      if (!(await isDead)) continue;
      if (project === this.#project) files.push(name);
      else foreign += 1;
    }
    return { files, foreign };
  }

  /** Takes ownership of a file. Returns its new path, or null if another process was faster. */
  adopt(file: string): string | null {
    const { origin = '', owner = '' } = FILE_NAME.exec(file)?.groups ?? {};
    const adopted = this.#fileOf(origin);
    try {
      renameSync(join(this.#path, file), adopted);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
      throw error;
    }
    tidy(lockOf(join(this.#path, file)), this.#ownerFile(owner));
    return adopted;
  }

  /** Renames a file for later analysis. Returns its new path. */
  setAside(path: string): string {
    const aside = `${path}.damaged`;
    renameSync(path, aside);
    tidy(lockOf(path));
    return aside;
  }

  /** Unregisters this process. Others may adopt its files. */
  leave(): void {
    this.#left = true;
    if (this.#heartbeat) clearTimeout(this.#heartbeat);
    rmSync(this.#ownerFile(this.#owner), { force: true });
  }

  #fileOf(origin: string): string {
    return join(this.#path, `${origin}.${this.#project}.${this.#owner}.mdb`);
  }

  #ownerFile(owner: string): string {
    return join(this.#path, `${owner}.owner`);
  }

  #beat(onLost: () => void): void {
    this.#heartbeat = backgroundTimer(() => {
      const now = new Date();
      utimes(this.#ownerFile(this.#owner), now, now).then(
        () => {
          if (!this.#left) this.#beat(onLost);
        },
        () => {
          if (!this.#left) onLost();
        },
      );
    }, HEARTBEAT_MS);
  }

  async #isDead(owner: string): Promise<boolean> {
    const file = this.#ownerFile(owner);
    const seen = await lastBeat(file);
    // It has left, or another process has already adopted one of its files.
    if (seen === null) return true;
    const identity = await readIdentity(file);
    const liveness = identity ? livenessOf(identity, this.#self) : 'unknown';
    if (liveness !== 'unknown') return liveness === 'dead';
    const silentMs = Date.now() - seen;
    if (identity?.host !== this.#self.host || identity.pidNamespace === this.#self.pidNamespace) {
      return silentMs > DEAD_AFTER_MS;
    }
    if (silentMs > WATCH_MS) return true;
    await new Promise<void>((resolve) => void deadlineTimer(resolve, WATCH_MS));
    return (await lastBeat(file)) === seen;
  }
}

/** Deletes obsolete files. */
function tidy(...files: readonly string[]): void {
  try {
    for (const file of files) rmSync(file, { force: true });
  } catch {
    // The file they belong to has been renamed already, which a throw would conceal.
  }
}

async function lastBeat(file: string): Promise<number | null> {
  try {
    return (await stat(file)).mtimeMs;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

/** null if the file is incomplete or not written by this package. */
async function readIdentity(file: string): Promise<ProcessIdentity | null> {
  try {
    const identity = JSON.parse(await readFile(file, 'utf8')) as Partial<ProcessIdentity> | null;
    const { host, pid, pidNamespace = null, startedAt = null } = identity ?? {};
    return typeof host === 'string' && typeof pid === 'number' ? { host, pid, pidNamespace, startedAt } : null;
  } catch {
    return null;
  }
}
