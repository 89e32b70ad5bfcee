import { randomBytes } from 'node:crypto';
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { readdir, readFile, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { backgroundTimer, deadlineTimer, type Timer } from '../delivery/timers.js';
import { livenessOf, type ProcessIdentity, thisProcess } from './process-identity.js';
import { lockOf } from './record-file.js';

/** How often an owner shows that it lives. */
const HEARTBEAT_MS = 1000;
/** An owner that cannot be looked up, on another host above all, is dead after so long without a heartbeat. */
const DEAD_AFTER_MS = 60_000;
/** One on this host that only its heartbeat can tell of, such as the process of another container, is watched for so long. */
const WATCH_MS = 3 * HEARTBEAT_MS;

/** `<origin>.<project>.<owner>.mdb`: who wrote the records, for which project, and whose they are now. */
const FILE_NAME = /^(?<origin>[a-z\d-]+)\.(?<project>[a-f\d]+)\.(?<owner>[a-z\d-]+)\.mdb$/;

/** What processes that live no longer have left. */
export interface Leftovers {
  /** Files of this project that anybody may adopt, oldest first. */
  readonly files: readonly string[];
  /** How many files there are of other projects. */
  readonly foreign: number;
}

/**
 * The directory that processes share. Each has files of its own, which nobody else opens while it lives; a file changes
 * hands by being renamed, which only one process succeeds in.
 */
export class StoreDirectory {
  readonly #path: string;
  readonly #project: string;
  readonly #self: ProcessIdentity = thisProcess();
  readonly #owner = `${Date.now().toString(36)}-${randomBytes(6).toString('hex')}`;
  #heartbeat: Timer | null = null;
  #left = false;

  /**
   * Enters the directory, and creates it if need be. Throws what the file system says.
   *
   * @param onLost told when another process took this one for dead, or somebody deleted the directory
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

  /** Where this process keeps its own records. */
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

  /** Makes a file this process's own. Returns its path, or null when another process was faster. */
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

  /** Takes a file out of the way, for a person to look at. Returns its new name. */
  setAside(path: string): string {
    const aside = `${path}.damaged`;
    renameSync(path, aside);
    tidy(lockOf(path));
    return aside;
  }

  /** Leaves it; what is left of this process's files is anybody's. */
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
    // It said that it leaves, or was adopted from in part.
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

/** Deletes what is of no use to anybody any more. */
function tidy(...files: readonly string[]): void {
  try {
    for (const file of files) rmSync(file, { force: true });
  } catch {
    // What it belonged to has been renamed already: to fail now would be to forget that.
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

/** null when the file is not written yet, or not by us. */
async function readIdentity(file: string): Promise<ProcessIdentity | null> {
  try {
    const identity = JSON.parse(await readFile(file, 'utf8')) as Partial<ProcessIdentity> | null;
    const { host, pid, pidNamespace = null, startedAt = null } = identity ?? {};
    return typeof host === 'string' && typeof pid === 'number' ? { host, pid, pidNamespace, startedAt } : null;
  } catch {
    return null;
  }
}
