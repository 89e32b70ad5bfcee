import { createHash, randomBytes } from 'node:crypto';
import { chmodSync, closeSync, lstatSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { lstat, utimes } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { codeOf, isMissing, isShortage } from './file-errors.js';

/** `unknown`: the lock is a plain file or belongs to another machine, so only its heartbeat can tell. */
export type LockState = 'held' | 'free' | 'unknown';

/** Maximum length of a socket's path in bytes: macOS allows 103, Linux 107. */
const MAX_SOCKET_PATH = 100;
const IS_WINDOWS = process.platform === 'win32';
const LOCK = '.lock';
const UNFINISHED = `${LOCK}.new`;
/** Creating a lock takes less time. */
const UNFINISHED_MS = 60_000;

/** Identifies the running kernel. The socket of a process on another machine refuses connections although the process lives. */
const KERNEL = createHash('sha256').update(bootId()).digest('hex').slice(0, 8);

let lastTime = 0;

/** Returns an id for a new owner, which contains the kernel it runs on. Ids sort by time. */
export function newOwner(): string {
  lastTime = Math.max(Date.now(), lastTime + 1);
  return `${lastTime.toString(36)}-${KERNEL}-${randomBytes(6).toString('hex')}`;
}

export const isUnfinishedLock = (name: string): boolean => name.endsWith(UNFINISHED);

/** The owner of a lock file; null if the name is that of another file. */
export const ownerOfLock = (name: string): string | null => (name.endsWith(LOCK) ? name.slice(0, -LOCK.length) : null);

/**
 * The locks of a directory, one per owner. A lock is a listening Unix domain socket: the kernel closes it when the process or worker
 * thread ends, however that happens. A process that is stopped or busy still holds its lock, and containers of one machine see each
 * other's, because a socket is found by its file. On Windows a lock is a named pipe. Where the file system has no sockets, it is a plain
 * file with a heartbeat.
 */
export class LockDirectory {
  readonly #path: string;
  /** A descriptor of the directory, where its path is too long for a socket. */
  readonly #descriptor: number | null;

  /** Throws errors of the file system. */
  constructor(path: string) {
    this.#path = path;
    const longest = join(path, `${newOwner()}${LOCK}.new`);
    const tooLong = Buffer.byteLength(longest) > MAX_SOCKET_PATH;
    this.#descriptor = tooLong && process.platform === 'linux' ? openSync(path, 'r') : null;
  }

  /** Throws errors of the file system. */
  acquire(owner: string): ProcessLock {
    const path = this.pathOf(owner);
    const temporary = `${path}.new`;
    const server = listen(this.#addressOf(owner, '.new'));
    try {
      if (!server || IS_WINDOWS) writeFileSync(temporary, '', { flag: 'wx', mode: 0o600 });
      if (server && !IS_WINDOWS) restrict(temporary);
      // Named only now: a lock that does not listen is that of a dead process.
      renameSync(temporary, path);
      return new ProcessLock(path, server);
    } catch (error) {
      server?.close();
      rmSync(temporary, { force: true });
      throw error;
    }
  }

  async stateOf(owner: string): Promise<LockState> {
    let isSocket: boolean;
    try {
      isSocket = (await lstat(this.pathOf(owner))).isSocket() || IS_WINDOWS;
    } catch (error) {
      // Released, or its files have been adopted.
      if (isMissing(error)) return 'free';
      throw error;
    }
    if (!isSocket) return 'unknown';
    const refusal = await connectTo(this.#addressOf(owner));
    if (refusal === null) return 'held';
    const nobodyListens = refusal === 'ECONNREFUSED' || (IS_WINDOWS && refusal === 'ENOENT');
    return nobodyListens && owner.split('-')[1] === KERNEL ? 'free' : 'unknown';
  }

  /** Deletes the lock of a dead owner, if that is allowed. */
  remove(owner: string): void {
    removeIfAllowed(this.pathOf(owner));
  }

  /** Deletes what is left of a lock whose process was killed while it created it. */
  async removeUnfinished(name: string): Promise<void> {
    const path = join(this.#path, name);
    const createdAt = await heartbeatOf(path);
    if (createdAt !== null && createdAt < Date.now() - UNFINISHED_MS) removeIfAllowed(path);
  }

  close(): void {
    if (this.#descriptor !== null) closeSync(this.#descriptor);
  }

  /** Path of the file of a lock. */
  pathOf(owner: string): string {
    return join(this.#path, owner + LOCK);
  }

  #addressOf(owner: string, suffix = ''): string {
    if (IS_WINDOWS) return `\\\\.\\pipe\\nestjs-posthog-capture-${owner}`;
    const directory = this.#descriptor === null ? this.#path : `/proc/self/fd/${this.#descriptor}`;
    return join(directory, owner + LOCK + suffix);
  }
}

export class ProcessLock {
  readonly #path: string;
  readonly #server: Server | null;
  readonly #inode: number | null;

  constructor(path: string, server: Server | null) {
    this.#path = path;
    this.#server = server;
    this.#inode = inodeOf(path);
  }

  /** Updates the heartbeat. Resolves with false if the lock was deleted or replaced. */
  async touch(): Promise<boolean> {
    try {
      if ((await lstat(this.#path)).ino !== this.#inode) return false;
      await touch(this.#path);
      return true;
    } catch (error) {
      return !isMissing(error);
    }
  }

  release(): void {
    this.#server?.close();
    // Not the lock that replaced it.
    if (inodeOf(this.#path) === this.#inode) rmSync(this.#path, { force: true });
  }
}

function inodeOf(path: string): number | null {
  return lstatSync(path, { throwIfNoEntry: false })?.ino ?? null;
}

/** Time of the last heartbeat by the owner's clock; null if the file is gone. */
export async function heartbeatOf(path: string): Promise<number | null> {
  try {
    return (await lstat(path)).mtimeMs;
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}

/** Sets the modification time to now, so that programs that delete old files spare this one. */
export async function touch(path: string): Promise<void> {
  const now = new Date();
  await utimes(path, now, now);
}

/** Some file systems support sockets, but not their modes. The mode of the directory protects them as well. */
function restrict(socket: string): void {
  try {
    chmodSync(socket, 0o600);
  } catch {
    // The lock works without it.
  }
}

/** Another user's file in a shared directory cannot be deleted. */
function removeIfAllowed(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // Its user's next process deletes it.
  }
}

/** Returns null if the file system has no sockets, or the process may not create one. */
function listen(address: string): Server | null {
  if (!IS_WINDOWS && Buffer.byteLength(address) > MAX_SOCKET_PATH) return null;
  const server = createServer((connection) => connection.destroy());
  server.on('error', () => undefined);
  // `exclusive`, or the primary process of a cluster would hold the lock of a worker. Listens before it returns.
  server.listen({ path: address, exclusive: true });
  server.unref();
  return server.listening ? server : null;
}

/** Resolves with null if a process listens, or with the code of the error. */
function connectTo(address: string): Promise<string | null> {
  return new Promise((resolve) => {
    const connection = connect(address);
    connection.on('connect', () => {
      connection.destroy();
      resolve(null);
    });
    connection.on('error', (error) => {
      // The queue of a process that is stopped or busy is full, or this process has no descriptor, so nothing is known.
      resolve(isShortage(error) ? null : codeOf(error));
    });
  });
}

/** Shared by the containers of a machine. Where it cannot be read, the name of the host is the best there is. */
function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8');
  } catch {
    return hostname();
  }
}
