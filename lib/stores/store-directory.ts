import { mkdirSync, renameSync, rmSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { backgroundTimer, stopTimer, type Timer } from '../delivery/timers.js';
import {
  heartbeatOf,
  isUnfinishedLock,
  LockDirectory,
  newOwner,
  ownerOfLock,
  type ProcessLock,
} from './process-lock.js';

/** Interval at which an owner touches its files, and checks that they are still there. */
const HEARTBEAT_MS = 1000;
/** An owner on another machine is dead when its heartbeat has not changed for this time. */
const DEAD_AFTER_MS = 60_000;

/**
 * `<origin>.<project>.<owner>.events`: an id of the file, the project of its events, and the owner. Version 0.1 wrote `.mdb` files, and
 * set some aside as `.mdb.damaged` without cause.
 */
const FILE_NAME =
  /^(?<origin>[a-z\d-]+)\.(?<project>[a-f\d]+)\.(?<owner>[a-z\d-]+)\.(?:(?<kind>events|mdb)|(?<former>mdb)\.damaged)$/;

/** The owner that created a file, without the number of the file. */
const originOf = (id: string): string => id.replace(/-[^-]*$/, '');

type Watched = Map<string, { readonly beat: number; readonly since: number }>;

/** Files of an owner that has ended. */
export interface Leftovers {
  readonly project: string;
  /** Names of its files, oldest first. */
  readonly files: readonly string[];
}

/**
 * A directory that processes share. Every file has one owner, which holds a lock while it lives and is the only one to use the file. A file
 * changes its owner by a rename, which succeeds in one process only and needs no space.
 */
export class StoreDirectory {
  readonly path: string;
  readonly #project: string;
  readonly #owner = newOwner();
  #locks: LockDirectory;
  #lock: ProcessLock;
  #files = 0;
  #heartbeat: Timer | null = null;
  #left = false;
  /** Heartbeats of owners on other machines, and when they were first seen, by `performance.now()`: clocks differ. */
  #watched: Watched = new Map();

  /**
   * Registers a new owner in the directory, which is created if it does not exist. Throws errors of the file system.
   *
   * @param beat called every second until `leave`
   */
  constructor(path: string, project: string, beat: () => Promise<void>) {
    this.path = path;
    this.#project = project;
    [this.#locks, this.#lock] = this.#acquire();
    this.#beat(beat);
  }

  /** Path of a new file of this owner. Creates the directory if it was deleted. */
  newFile(): string {
    this.#files += 1;
    this.#create();
    return this.#pathOf(`${this.#owner}-${this.#files}`);
  }

  /** Updates the heartbeat, and acquires the lock again if it was deleted. */
  async touchLock(): Promise<void> {
    if ((await this.#lock.touch()) || this.#left) return;
    try {
      const [locks, lock] = this.#acquire();
      this.#lock.release();
      this.#locks.close();
      [this.#locks, this.#lock] = [locks, lock];
    } catch {
      // Tried again with the next heartbeat. Writing events reports the error.
    }
  }

  /** Yields the files of owners that have ended, those of one origin together, oldest first. Removes locks that nobody needs. */
  async *leftovers(): AsyncGenerator<Leftovers> {
    const names = (await readdir(this.path)).sort();
    const watched = this.#watched;
    this.#watched = new Map();
    const dead = new Map([[this.#owner, false]]);
    const isDead = async (owner: string, isFormer = false): Promise<boolean> => {
      const known = dead.get(owner) ?? (await this.#isDead(owner, watched, isFormer));
      dead.set(owner, known);
      return known;
    };
    const owners = new Set<string>();
    let group: { origin: string; project: string; files: string[] } | null = null;
    for (const name of names) {
      const { origin = '', project = '', owner, kind } = FILE_NAME.exec(name)?.groups ?? {};
      if (owner === undefined) continue;
      owners.add(owner);
      if (!(await isDead(owner, kind !== 'events'))) continue;
      if (group?.origin !== originOf(origin) || group.project !== project) {
        if (group) yield group;
        group = { origin: originOf(origin), project, files: [] };
      }
      group.files.push(name);
    }
    if (group) yield group;
    for (const name of names) {
      const owner = ownerOfLock(name);
      if (owner !== null && !owners.has(owner) && (await isDead(owner))) this.#locks.remove(owner);
      if (isUnfinishedLock(name)) await this.#locks.removeUnfinished(name);
    }
  }

  /** Takes ownership of a file. Returns its new path. Throws ENOENT if another process was faster. */
  adopt(name: string): string {
    const { origin = '', owner = '', kind, former } = FILE_NAME.exec(name)?.groups ?? {};
    const path = this.#pathOf(origin, kind ?? former);
    renameSync(join(this.path, name), path);
    if (path.endsWith('.mdb')) this.#removeFormer(name, owner);
    return path;
  }

  /** Unregisters the owner. Others may adopt its files. */
  leave(): void {
    this.#left = true;
    stopTimer(this.#heartbeat);
    this.#lock.release();
    this.#locks.close();
  }

  #create(): void {
    mkdirSync(this.path, { recursive: true, mode: 0o700 });
  }

  #acquire(): [LockDirectory, ProcessLock] {
    this.#create();
    const locks = new LockDirectory(this.path);
    try {
      return [locks, locks.acquire(this.#owner)];
    } catch (error) {
      locks.close();
      throw error;
    }
  }

  #pathOf(origin: string, kind = 'events'): string {
    return join(this.path, `${origin}.${this.#project}.${this.#owner}.${kind}`);
  }

  #formerLock(owner: string): string {
    return join(this.path, `${owner}.owner`);
  }

  /** Deletes what version 0.1 kept beside a file. */
  #removeFormer(name: string, owner: string): void {
    rmSync(join(this.path, `${name}-lock`), { force: true });
    rmSync(this.#formerLock(owner), { force: true });
  }

  #beat(beat: () => Promise<void>): void {
    this.#heartbeat = backgroundTimer(() => {
      const next = (): void => {
        if (!this.#left) this.#beat(beat);
      };
      void beat().then(next, next);
    }, HEARTBEAT_MS);
  }

  /** @param isFormer version 0.1 may be the owner, which had no locks */
  async #isDead(owner: string, watched: Watched, isFormer: boolean): Promise<boolean> {
    const state = await this.#locks.stateOf(owner);
    if (state === 'held' || (state === 'free' && !isFormer)) return state === 'free';
    const beat = await heartbeatOf(state === 'free' ? this.#formerLock(owner) : this.#locks.pathOf(owner));
    if (beat === null) return true;
    const before = watched.get(owner);
    const since = before?.beat === beat ? before.since : performance.now();
    this.#watched.set(owner, { beat, since });
    return performance.now() - since >= DEAD_AFTER_MS;
  }
}
