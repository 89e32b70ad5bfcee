import { spawnSync } from 'node:child_process';
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

/** Identifies a process, so that another one can determine whether it is alive. */
export interface ProcessIdentity {
  readonly host: string;
  readonly pid: number;
  /** The PID namespace that `pid` belongs to: the first process of every container is pid 1. null on systems without namespaces. */
  readonly pidNamespace: string | null;
  /** Start time, to be compared for equality; null if the system does not provide it. */
  readonly startedAt: string | null;
}

/** `unknown`: only its heartbeat can tell. */
export type Liveness = 'alive' | 'dead' | 'unknown';

export function thisProcess(): ProcessIdentity {
  return { host: hostname(), pid: process.pid, pidNamespace: pidNamespace(), startedAt: startOf(process.pid) };
}

/** Determines whether another process is alive, as far as `self` can see. */
export function livenessOf(other: ProcessIdentity, self: ProcessIdentity): Liveness {
  if (other.host !== self.host || other.pidNamespace !== self.pidNamespace) return 'unknown';
  if (!exists(other.pid)) return 'dead';
  const startedAt = startOf(other.pid);
  // Hidden from this process, or not provided by the system.
  if (startedAt === null || other.startedAt === null) return 'unknown';
  return startedAt === other.startedAt ? 'alive' : 'dead';
}

function exists(pid: number): boolean {
  try {
    // Signal 0 only checks for existence.
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function pidNamespace(): string | null {
  try {
    return readlinkSync('/proc/self/ns/pid');
  } catch {
    return null;
  }
}

function startOf(pid: number): string | null {
  if (process.platform === 'linux') return startOnLinux(pid);
  if (process.platform === 'win32') return null;
  const { stdout } = spawnSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' });
  return stdout.trim() === '' ? null : stdout.trim();
}

/** proc(5): field 3 is the state and field 22 the start time since boot, after a name that may contain any character. */
function startOnLinux(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    // Dead, but not reaped by its parent.
    if (fields[0] === 'Z' || fields[0] === 'X') return 'ended';
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    return `${boot}:${fields[19] ?? ''}`;
  } catch {
    return null;
  }
}
